/* Live code: the cells of a page can be changed and run, on a kernel of that page's own.

   The server of live pages adds this file to the pages it serves (see tools/served.py). Nothing of
   thebe is loaded before the button is pressed. The kernel ends with the page. */

(() => {
  const HERE = new URL('.', document.currentScript.src).href;
  const PAGE = location.pathname.replace(/^\//, '').replace(/\.html$/, '');
  const AGAIN = 'Run any cell: what stands above it runs first.';
  const ROOM = 200_000; // letters that a cell may print; each picture counts for a thousand
  const GONE = 'The server does not answer this page. If it ended, start it again and open its new link.';

  const sources = [...document.querySelectorAll('.bd-article div.cell')]
    .filter(cell => cell.querySelector('.cell_input pre'));
  const places = document.querySelector('.article-header-buttons');
  if (!sources.length || !places) return;

  const element = (tag, attributes, ...children) => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.append(...children);
    return made;
  };
  const button = (text, title, onclick) =>
    element('button', { type: 'button', className: 'live-button', title, onclick }, text);

  const start = button('Live code', 'Change and run the cells of this page', begin);
  start.classList.add('btn', 'live-start');
  places.prepend(start);

  const said = element('p', { className: 'live-status' });
  said.setAttribute('role', 'status');
  const stop = button('Stop', 'Interrupt the cell that runs', () => session?.kernel?.interrupt());
  const every = button('Run all', 'Run every cell of this page', () => run(cells.at(-1)));
  const restart = button('Restart', 'Start a new kernel and run the first cells', afresh);
  const bar = element('section', { className: 'live-bar' }, said, stop, every, restart);
  bar.setAttribute('aria-label', 'Live code');
  stop.disabled = true;
  const say = text => { said.textContent = text; };

  /** One cell of the page: where it is shown, thebe's cell, and the code it last ran with. */
  let cells = [];
  let thebeServer, rendermime, session;
  let epoch = 0; // one more with each kernel, so that what was meant for the last one ends
  let queue = Promise.resolve();

  /* --- from a page to a notebook ------------------------------------------------------------- */

  const script = src => new Promise((loaded, failed) => document.head.append(element('script', {
    src, onload: loaded, onerror: () => failed(new Error(`${src} was not loaded`)),
  })));

  /* thebe fetches require.js from a fixed address of another host; it gets ours. */
  function keepRequireHere() {
    const fetched = window.fetch.bind(window);
    window.fetch = (what, how) =>
      /^https:.*\/require\.min\.js$/.test(String(what?.url ?? what))
        ? fetched(`${HERE}require.js`) : fetched(what, how);
  }

  /* What a cell writes is typeset here; the page's own formulas were drawn when it was built. */
  let loading;
  async function loadMathJax() {
    window.MathJax = {
      startup: { typeset: false },
      options: { menuOptions: { settings: { inTabOrder: false } } }, // else each is a stop
    };
    await script(`${HERE}mathjax/tex-svg.js`);
    await window.MathJax.startup.promise;
  }
  const mathematics = {
    async typeset(node) {
      if (!window.MathJax?.typesetPromise) {
        loading ??= loadMathJax();
        await loading;
      }
      // Jupyter's $...$ is no mathematics to the MathJax of a page
      const texts = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const text = texts.currentNode;
        if (!text.parentElement.closest('pre, code, script, style, mjx-container')) {
          const one = /(^|[^\\$])\$(?!\$)((?:[^$\\]|\\[^])+)\$(?!\$)/g;
          if (one.test(text.data)) text.data = text.data.replace(one, '$1\\($2\\)');
        }
      }
      await window.MathJax.typesetPromise([node]);
    },
  };

  /* Markdown as claims write it: a block with classes, paragraphs, strong, emphasis, code. */
  const markdown = {
    async render(source) {
      const inline = text => text.replace(/`([^`]+)`/g, '<code>$1</code>')
        .replace(/\*\*([^*]+)\*\*/g, '<strong>$1</strong>')
        .replace(/\*([^*]+)\*/g, '<em>$1</em>');
      const paragraphs = text => text.trim().split(/\n{2,}/)
        .map(each => `<p>${inline(each)}</p>`).join('');
      const safe = source.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
      const block = safe.trim().match(/^(:{3,})\{div\} ([^\n]*)\n([^]*)\n\1$/);
      return block ? `<div class="${block[2]}">${paragraphs(block[3])}</div>` : paragraphs(safe);
    },
  };

  function assemble() {
    const config = {
      useBinder: false,
      serverSettings: { baseUrl: `${location.origin}/`, token: '', appendToken: false },
      kernelOptions: { kernelName: 'python3' },
      mountRunAllButton: false, mountRestartButton: false, mountRestartAllButton: false,
      codeMirrorConfig: { lineNumbers: false, indentUnit: 4, styleActiveLine: false },
    };
    const options = thebe.mergeOptions(config);
    const core = thebeCore.api;
    const settings = core.makeConfiguration(options, thebe.events);
    rendermime = core.makeRenderMimeRegistry(settings.mathjax);
    rendermime.latexTypesetter = mathematics;
    rendermime.markdownParser = markdown;

    const items = sources.map((box, index) => {
      const output = element('div', { className: 'cell_output docutils container live-output' });
      box.append(output);
      const source = box.querySelector('.cell_input pre');
      box.querySelectorAll('.cell_input button.copybtn').forEach(copy => copy.remove());
      return { id: `live-${index + 1}`, placeholders: { source, output } };
    });
    const blocks = items.map(({ id, placeholders: { source } }) =>
      ({ id, source: source.textContent.trim() }));
    const notebook = core.setupNotebookFromBlocks(blocks, settings, rendermime);
    thebe.renderAllCells(options, notebook, items);
    cells = sources.map((box, index) => dress(box, notebook.cells[index], index + 1));
    thebeServer = core.connectToJupyter(settings);
    return { notebook };
  }

  function dress(box, inner, number) {
    const cell = {
      box, inner, number, output: box.querySelector('.live-output'), ran: null,
      printed: box.querySelector('.cell_output:not(.live-output)'),
      execute: inner.execute.bind(inner),
    };
    bound(inner.area.model);
    inner.execute = () => run(cell); // also when thebe's own button or keys ask for it
    const go = box.querySelector('.thebe-run-button');
    Object.assign(go, { textContent: 'Run', type: 'button', title: 'Run this cell' });
    go.classList.add('live-button');
    go.setAttribute('aria-label', `Run cell ${number}`);
    go.after(element('span', { className: 'live-number' }, `cell ${number} of ${sources.length}`));
    const mirror = box.querySelector('.CodeMirror').CodeMirror;
    mirror.getInputField().setAttribute('aria-label', `Code of cell ${number}; Escape leaves it`);
    mirror.setOption('extraKeys', {
      ...mirror.getOption('extraKeys'),
      'Ctrl-Enter': () => run(cell),
      Tab: editor => editor.execCommand(editor.somethingSelected() ? 'indentMore' : 'insertSoftTab'),
      Esc: () => go.focus(),
    });
    return cell;
  }

  /* A loop that prints without end would leave the page no time for its buttons. */
  function bound(outputs) {
    const add = outputs.add.bind(outputs);
    const clear = outputs.clear.bind(outputs);
    let printed = 0;
    outputs.clear = wait => { printed = 0; clear(wait); };
    outputs.add = output => {
      if (output.output_type === 'error') return add(output);
      const left = ROOM - printed;
      if (left < 0) return outputs.length;
      printed += output.text?.length ?? 1000;
      if (printed <= ROOM) return add(output);
      if (output.text) add({ ...output, text: output.text.slice(0, left) });
      const text = '\nWhat is printed after this is not shown.\n';
      return add({ output_type: 'stream', name: 'stderr', text });
    };
  }

  /* --- kernels ------------------------------------------------------------------------------- */

  let notebook;

  async function kernel() {
    if (session) return;
    const path = `${PAGE}-${crypto.randomUUID().slice(0, 8)}`; // another one for every open page
    await thebeServer.ready;
    const begun = await thebeServer.startNewSession(rendermime, { path, kernelName: 'python3' });
    session = begun;
    notebook.attachSession(begun);
    begun.kernel.statusChanged.connect((_, status) => {
      if (begun !== session) return;
      if (status === 'autorestarting' || status === 'dead') lost();
    });
    begun.kernel.disposed.connect(() => { if (begun === session) lost(); });
    begun.kernel.connectionStatusChanged.connect((_, status) => {
      if (begun === session && status !== 'connected') check();
    });
  }

  function forget() {
    const old = session;
    session = undefined;
    epoch += 1;
    cells.forEach(cell => { cell.ran = null; });
    busy(false);
    return old;
  }

  function lost() {
    const old = forget();
    end(old);
    say(`The kernel of this page has ended: it rested too long, ran out of memory, or was stopped.`
      + ` Its variables are gone. ${AGAIN}`);
  }

  async function check() {
    try {
      const answer = await fetch('/api/status', { cache: 'no-store' });
      if (answer.status === 403) say(GONE);
    } catch { say(GONE); }
  }

  /* Also while the page is left, when nothing can be waited for. */
  function end(old) {
    if (!old) return;
    const xsrf = document.cookie.match(/(?:^|; )_xsrf=([^;]*)/)?.[1] ?? '';
    fetch(`/api/sessions/${old.id}`, {
      method: 'DELETE', keepalive: true, headers: { 'X-XSRFToken': xsrf },
    }).catch(() => {});
    old.dispose();
  }

  /* --- running ------------------------------------------------------------------------------- */

  function busy(yes) {
    stop.disabled = !yes;
    bar.toggleAttribute('data-busy', yes);
  }

  /** Run a cell, and before it those above that have not run, or not as they are now. */
  function run(last) {
    const job = queue.then(() => through(cells.slice(0, last.number), last));
    queue = job.catch(error => { busy(false); say(`This did not work: ${error.message ?? error}`); });
    return queue;
  }

  async function through(wanted, last) {
    if (!session) say('Starting a kernel …');
    await kernel();
    const mine = epoch;
    for (const cell of wanted) {
      if (cell !== last && cell.ran === cell.inner.source) continue;
      if (!(await one(cell)) || mine !== epoch) return false;
    }
    say(last ? `Cell ${last.number} has run.` : 'Ready. Change a cell and run it: Shift+Enter.');
    return true;
  }

  async function one(cell) {
    const { inner, output, number } = cell;
    const source = inner.source;
    const mine = epoch;
    say(`Cell ${number} of ${cells.length} is running …`);
    busy(true);
    cell.box.dataset.live = 'running';
    // the page does not jump while an output goes and the next one comes
    output.style.minHeight = `${(cell.printed ?? output).offsetHeight}px`;
    cell.printed?.remove();
    cell.printed = null;
    const done = await cell.execute(source);
    output.style.minHeight = '';
    if (mine !== epoch) {
      inner.clear();
      delete cell.box.dataset.live;
      return false;
    }
    busy(false);
    const failed = !done || done.error;
    cell.box.dataset.live = failed ? 'failed' : 'done';
    cell.ran = failed ? null : source;
    if (failed) say(`Cell ${number} raised an error, which stands below it. Nothing after it ran.`);
    return !failed;
  }

  /** Start a new kernel and run the cells that a page begins with. */
  function afresh() {
    end(forget());
    cells.forEach(cell => { delete cell.box.dataset.live; });
    queue = queue.then(() => through(cells.filter(({ box }) => box.matches('.tag_thebe-init'))))
      .catch(error => { say(`No kernel was started: ${error.message ?? error}. ${GONE}`); });
    return queue;
  }

  async function begin() {
    start.disabled = true;
    document.querySelector('.bd-article').append(bar);
    say('Starting live code …');
    try {
      if (!window.thebe) {
        document.head.append(element('link', { rel: 'stylesheet', href: `${HERE}thebe/thebe.css` }));
        keepRequireHere();
        await script(`${HERE}thebe/index.js`);
      }
      ({ notebook } = assemble());
      start.remove();
      document.documentElement.dataset.live = 'on';
      await afresh();
    } catch (error) {
      start.disabled = false;
      say(`Live code did not start: ${error.message ?? error}. ${GONE}`);
    }
  }

  window.addEventListener('pagehide', () => end(forget()));
  window.addEventListener('pageshow', event => { if (event.persisted) location.reload(); });
})();
