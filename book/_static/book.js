// What a page's markup cannot say beforehand: which of its parts scroll, and what paper must unfold.

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

  // On paper nothing can be unfolded.
  let folded = [];
  const unfold = () => {
    folded = [...document.querySelectorAll('.bd-article details:not([open])')];
    for (const details of folded) details.open = true;
  };
  const fold = () => {
    for (const details of folded) details.open = false;
  };

  window.addEventListener('load', () => {
    nameFolds();
    const article = document.querySelector('.bd-article'); // the search has none
    if (article) new ResizeObserver(markSoon).observe(article);
    window.MathJax?.startup?.promise?.then(markSoon);
  });
  document.addEventListener('toggle', markSoon, true);
  window.addEventListener('beforeprint', unfold);
  window.addEventListener('afterprint', fold);
})();
