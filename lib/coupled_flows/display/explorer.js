(() => {
  let count = 0;
  // Defined once, however many explorers a page has.
  if (!customElements.get("flow-explorer")) customElements.define("flow-explorer", class extends HTMLElement {
    connectedCallback() { this.begin(); }
    begin() {
      const data = this.querySelector("script");
      if (this.table || !data) return; // its end is not read yet: the script after it comes back
      this.table = JSON.parse(data.textContent);
      this.svg = this.querySelector("svg");
      this.words = this.querySelector(".explorer-words");
      this.controls = this.querySelector(".explorer-controls");
      // The same explorer may stand on a page twice, but its choices are its own.
      const own = `-${count++}`;
      for (const key of ["id", "for", "name"])
        this.controls.querySelectorAll(`[${key}]`).forEach(e => e.setAttribute(key, e.getAttribute(key) + own));
      this.nodes = this.table.moves.map(([n]) => this.svg.querySelector(`[data-v="${n}"]`));
      // A slider that moves speaks the words under the figure, and after a choice they speak for
      // themselves. Whoever reads on hears them once, under the figure.
      this.controls.addEventListener("input", e => this.show(e.target));
      this.controls.addEventListener("focusout", () => this.show());
      this.controls.addEventListener("focusin", e =>
        this.words.setAttribute("aria-live", e.target.type === "radio" ? "polite" : "off"));
      addEventListener("beforeprint", () => this.draw(this.table.start));
      addEventListener("afterprint", () => this.show());
      this.controls.hidden = false;
      this.show();
    }
    show(moved) {
      let k = 0;
      this.table.shown.forEach((shown, i) => {
        const input = this.controls.querySelector(`[data-i="${i}"]`);
        const range = input.type === "range";
        const at = range ? +input.value : +this.controls.querySelector(`[data-i="${i}"]:checked`).value;
        k = k * shown.length + at;
        if (range) input.nextElementSibling.textContent = shown[at];
      });
      this.draw(k);
      this.controls.querySelectorAll("[type=range]").forEach(input => input.setAttribute(
        "aria-valuetext", input.nextElementSibling.textContent + (input === moved ? `: ${this.table.words[k]}` : "")));
    }
    draw(k) {
      if (k === this.now) return;
      this.now = k;
      this.table.moves.forEach(([, name, template, values, index], i) => {
        let value = values[index ? index[k] : k], at = 0;
        if (template) {
          const parts = value.split(" ");
          value = template.replace(/~/g, () => parts[at++]);
        }
        if (name) this.nodes[i].setAttribute(name, value);
        else this.nodes[i].innerHTML = value;
      });
      this.words.textContent = this.table.words[k];
    }
  });
  document.querySelectorAll("flow-explorer").forEach(e => e.begin && e.begin());
})();
