// What a page's markup cannot say beforehand: which of its parts scroll, how a formula is selected
// and copied, what paper must unfold.

(() => {
  // Only what scrolls is a stop for the keyboard, and shows at its edge that there is more.
  const SCROLLERS = {
    '.picture-frame': { role: 'group', 'aria-label': 'Figure, scrolls sideways' },
    'mjx-container': { role: 'group', 'aria-label': 'Formula, scrolls sideways' },
    '.table-wrapper': {}, // has a name of its own
  };

  const OVERHANG = 8; // pixels: a slanted letter leans out of its box, which is nothing to scroll to

  const measured = () => Object.entries(SCROLLERS).flatMap(([selector, name]) =>
    [...document.querySelectorAll(`.bd-article ${selector}`)].map(element =>
      [element, name, element.scrollWidth > element.clientWidth + OVERHANG]));

  const mark = () => {
    for (const [element, name, scrolls] of measured()) {
      element.classList.toggle('scrolls', scrolls);
      for (const [attribute, value] of Object.entries({ tabindex: '0', ...name })) {
        if (scrolls) element.setAttribute(attribute, value);
        else element.removeAttribute(attribute);
      }
    }
  };

  let asked = 0;
  const markSoon = () => {
    cancelAnimationFrame(asked);
    asked = requestAnimationFrame(mark);
  };

  // The theme calls every fold by the same name.
  const nameFolds = () => {
    for (const button of document.querySelectorAll('.admonition-title > button.toggle-button')) {
      const title = button.parentElement.textContent.trim();
      button.setAttribute('aria-label', title);
    }
  };

  // On paper nothing can be unfolded, and it is white.
  let folded = [], theme;
  const toPaper = () => {
    folded = [...document.querySelectorAll('.bd-article details:not([open])')];
    for (const details of folded) details.open = true;
    ({ theme } = document.documentElement.dataset);
    document.documentElement.dataset.theme = 'light';
  };
  const toScreen = () => {
    for (const details of folded) details.open = false;
    document.documentElement.dataset.theme = theme;
  };

  // A formula is copied as its TeX: what is seen is a drawing.
  const FORMULA = 'mjx-container[data-tex]';
  const inFormula = node => (node.closest ? node : node.parentElement)?.closest(FORMULA);

  const copy = event => {
    const selection = window.getSelection();
    if (selection.isCollapsed || event.target.closest?.('input, textarea')) return;
    const copied = document.createElement('div');
    for (let i = 0; i < selection.rangeCount; i += 1) {
      const range = selection.getRangeAt(i).cloneRange();
      const whole = inFormula(range.commonAncestorContainer);
      if (whole) range.selectNode(whole);
      copied.append(range.cloneContents());
    }
    const formulas = copied.querySelectorAll(FORMULA);
    if (!formulas.length) return;
    for (const part of copied.querySelectorAll('script, style, svg.letters')) part.remove();
    // where it is pasted nothing is beside this page
    for (const link of copied.querySelectorAll('a[href]')) link.setAttribute('href', link.href);
    for (const image of copied.querySelectorAll('img[src]')) image.setAttribute('src', image.src);
    for (const formula of formulas) {
      const sign = formula.hasAttribute('display') ? '$$' : '$';
      formula.replaceWith(`${sign}${formula.dataset.tex}${sign}`);
    }
    copied.className = 'copied';
    document.body.append(copied); // only what is on the page has lines
    event.clipboardData.setData('text/plain', copied.innerText);
    event.clipboardData.setData('text/html', copied.innerHTML);
    copied.remove();
    event.preventDefault();
  };

  // A drawing shows no selection by itself.
  const show = () => {
    const selection = window.getSelection();
    for (const formula of document.querySelectorAll(`.bd-article ${FORMULA}`)) {
      const chosen = !selection.isCollapsed && selection.containsNode(formula);
      if (chosen !== formula.classList.contains('chosen')) formula.classList.toggle('chosen');
    }
  };

  // Nor has it a word that a double click would select.
  const select = event => {
    const formula = inFormula(event.target);
    if (formula) {
      const range = document.createRange();
      range.selectNode(formula);
      window.getSelection().removeAllRanges();
      window.getSelection().addRange(range);
    }
  };

  window.addEventListener('load', () => {
    nameFolds();
    const article = document.querySelector('.bd-article'); // the search has none
    if (article) new ResizeObserver(markSoon).observe(article);
  });
  document.addEventListener('toggle', markSoon, true);
  document.addEventListener('copy', copy);
  document.addEventListener('dblclick', select);
  document.addEventListener('selectionchange', show);
  window.addEventListener('beforeprint', toPaper);
  window.addEventListener('afterprint', toScreen);
})();
