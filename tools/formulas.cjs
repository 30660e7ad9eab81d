// Typesets formulas with MathJax: asked {tex, display} in a line of JSON, it answers in a line with
// {html, glyphs} or {error}. Here glyphs holds the outlines of the letters it meets for the first
// time, by id; every other place refers to them.

const [mathjax] = process.argv.slice(2);

const round = number => Math.round(number) || 0; // thousandths of an em; and no minus zero
const scaled = (across, up) => across === 1 && up === 1 ? '' : `scale(${across} ${up})`;
const named = values =>
  Object.entries(values).map(([name, value]) => ` ${name}="${value}"`).join('');

// What is read of MathJax's tree; the data are its own notes. It draws frames and colours by others.
const READ = {
  g: ['transform'],
  use: ['xlink:href', 'transform'],
  rect: ['x', 'y', 'width', 'height'],
  svg: ['x', 'y', 'width', 'height', 'viewBox'],
};

function check(node, adaptor) {
  const kind = adaptor.kind(node), known = READ[kind];
  if (kind === 'text') throw new Error(`MathJax's fonts have no ${adaptor.textContent(node)}`);
  const other = adaptor.allAttributes(node).find(
    ({ name }) => !known?.includes(name) && !/^data-(?!frame|line)/.test(name));
  if (!known || other) {
    const tag = `<${kind}${other ? named({ [other.name]: other.value }) : ''}>`;
    throw new Error(`MathJax drew ${tag}, which this book has not met`);
  }
}

// MathJax's tree of groups, each moved or scaled, becomes one list of letters and bars. Its upward
// axis becomes that of the page; letters are turned over where their outline stands.
function drawn(node, adaptor, at, outlines) {
  check(node, adaptor);
  const get = name => adaptor.getAttribute(node, name);
  const [x, y, across, up] = moved(at, get('transform'));
  const inside = place => adaptor.childNodes(node).map(
    child => drawn(child, adaptor, place, outlines)).join('');
  switch (adaptor.kind(node)) {
    case 'g':
      return inside([x, y, across, up]);
    case 'use': {
      const id = get('xlink:href').slice(1);
      outlines.add(id);
      const [right, down, scale] = [round(x), round(-y), scaled(across, up)];
      const place = scale ? { transform: `translate(${right} ${down})${scale}` }
        : { ...(right && { x: right }), ...(down && { y: down }) };
      return `<use href="#${short(id)}"${named(place)}/>`;
    }
    case 'rect': {
      const [left, low, width, height] = ['x', 'y', 'width', 'height'].map(get).map(Number);
      return `<rect${named({
        x: round(x + across * left), y: round(-y - up * (low + height)),
        width: round(across * width), height: round(up * height),
      })}/>`;
    }
    case 'svg': { // a window on a letter that is stretched
      const [left, low, width, height] = get('viewBox').split(/\s+/).map(Number);
      const window = named({
        x: round(get('x')), y: round(-get('y') - height),
        width: round(width), height: round(height),
        viewBox: [left, -low - height, width, height].map(round).join(' '),
      });
      const shift = `translate(${round(x)} ${round(-y)})${scaled(across, up)}`;
      return `<g transform="${shift}"><svg${window}>${inside([0, 0, 1, 1])}</svg></g>`;
    }
  }
}

function moved([x, y, across, up], transform) {
  for (const [, name, values] of (transform ?? '').matchAll(/(\w+)\(([^)]*)\)/g)) {
    const [first, second = name === 'scale' ? first : 0] = values.split(/[\s,]+/).map(Number);
    if (name === 'translate') [x, y] = [x + across * first, y + up * second];
    else if (name === 'scale') [across, up] = [across * first, up * second];
    else throw new Error(`MathJax moved something by ${name}, which this book has not met`);
  }
  return [x, y, ...[across, up].map(factor => Number(factor.toFixed(4)))];
}

// What would hold for later formulas too, or lead to them. Numbers and labels are the page's.
const ELSEWHERE = ['DeclareMathOperator', 'label', 'ref', 'eqref', 'tag'];

function alone(MathJax) {
  const { getMap } = MathJax._.input.tex.MapHandler.MapHandler;
  for (const name of ELSEWHERE)
    for (const map of ['macros', 'AMSmath-macros']) getMap(map).map.delete(name);
}

// What the author wrote, without what Sphinx puts round broken lines.
const written = tex => tex.trim().replace(/^\\begin{split}(.*)\\end{split}$/s, '$1').trim();

const short = id => id.replace('MJX-TEX-', 'letter-');
const escaped = text =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;');

// What a screen reader reads: MathML without MathJax's own marks and spaces between elements.
const spoken = mathml => mathml.replace(/ data-[\w-]+="[^"]*"/g, '').replace(/>\s+</g, '><')
  .replace(/ xmlns="[^"]*"/, '').replace(' display="block"', '');

function typeset(MathJax, { tex, display }, known) {
  const { adaptor, document: { outputJax } } = MathJax.startup;
  const container = MathJax.tex2svg(tex, { display, em: 16, ex: 8, containerWidth: 1e6 });
  const svg = adaptor.firstChild(container);
  const outlines = new Set();
  const letters = adaptor.childNodes(adaptor.firstChild(svg)).map(
    node => drawn(node, adaptor, [0, 0, 1, 1], outlines)).join('');
  const [width, height, style, viewBox] = ['width', 'height', 'style', 'viewBox'].map(
    name => adaptor.getAttribute(svg, name));
  const box = {
    style: style.replace(/\s|;$/g, ''), width, height,
    viewBox: viewBox.split(' ').map(value => Number(Number(value).toFixed(1))).join(' '),
    'aria-hidden': true, focusable: false,
  };
  const glyphs = {};
  for (const path of adaptor.childNodes(outputJax.fontCache.getCache())) {
    const id = adaptor.getAttribute(path, 'id');
    if (outlines.has(id) && !known.has(id)) {
      known.add(id);
      glyphs[short(id)] = adaptor.getAttribute(path, 'd');
    }
  }
  const own = {
    class: 'MathJax', jax: 'SVG', ...(display && { display }), 'data-tex': escaped(written(tex)),
  };
  const heard = spoken(MathJax.startup.toMML(outputJax.math.root));
  const html = `<mjx-container${named(own)}><svg${named(box)}>${letters}</svg>`
    + `<mjx-assistive-mml>${heard}</mjx-assistive-mml></mjx-container>`;
  return { html, glyphs };
}

require(`${mathjax}/node-main.js`).init({
  loader: {
    load: ['input/tex-base', '[tex]/ams', '[tex]/boldsymbol', 'output/svg', 'adaptors/liteDOM'],
    versionWarnings: false,
  },
  tex: { packages: ['base', 'ams', 'boldsymbol'], formatError: (_, error) => { throw error; } },
  svg: { fontCache: 'global' },
  startup: { typeset: false },
}).then(async MathJax => {
  alone(MathJax);
  const known = new Set();
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = typeset(MathJax, JSON.parse(line), known);
    } catch (error) {
      answer = { error: error.message };
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
});
