// What htmx does not: pausing updates, local times, asking before what cannot be undone, the slice viewer.
"use strict";

(() => {
  let paused = false;

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pause]");
    if (!button) return;
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Updates are paused" : "Pause updates";
  });

  // A page that is paused, not looked at, or read with the keyboard is left as it is.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const polled = (event.target.getAttribute("hx-trigger") || "").startsWith("every");
    const reading = event.target.contains(document.activeElement);
    if (polled && (paused || document.hidden || reading)) event.preventDefault();
  });

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    const question = button && button.dataset.confirm;
    if (question && !window.confirm(question)) event.preventDefault();
  });

  // Times are written in UTC; a person may have them in the zone of the browser.
  const ZONE = "ctnode-local-times";
  const zone = document.querySelector("[data-zone]");
  const isLocal = () => window.localStorage.getItem(ZONE) === "yes";
  const two = (number) => String(number).padStart(2, "0");

  function localized(element) {
    const at = new Date(element.getAttribute("datetime").replace(" ", "T"));
    const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":");
    const split = element.dataset.clock && element.dataset.clock.split(".")[1];
    return split ? `${clock}.${split}` : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock}`;
  }

  function writeTimes(root) {
    for (const element of root.querySelectorAll("time[datetime]")) {
      const where = "ago" in element.dataset ? "title" : "textContent";
      if (!("utc" in element.dataset)) element.dataset.utc = element[where];
      element[where] = isLocal() ? localized(element) : element.dataset.utc;
    }
  }

  function nameZone() {
    const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
    document.getElementById("zone").textContent = isLocal() ? `Times are those of ${name}.` : "Times are UTC.";
    zone.textContent = isLocal() ? "Show UTC" : "Show local times";
    zone.hidden = false;
  }

  zone.addEventListener("click", () => {
    window.localStorage.setItem(ZONE, isLocal() ? "no" : "yes");
    nameZone();
    writeTimes(document);
  });
  document.addEventListener("htmx:afterSwap", (event) => writeTimes(event.target));
  nameZone();
  writeTimes(document);

  const words = (text) => text.trim().split(/\s+/).filter(Boolean);

  class Viewer {
    constructor(element) {
      this.element = element;
      this.id = element.dataset.viewer;
      this.image = element.querySelector("img");
      this.broken = element.querySelector(".broken");
      this.range = element.querySelector("input[type=range]");
      this.where = element.querySelector("output");
      this.segments = element.querySelector("input[type=checkbox]");
      this.heights = words(element.dataset.z);
      this.z = this.heights.map(Number);
      this.scores = words(element.dataset.scores);
      this.numbers = words(element.dataset.numbers);
      this.anatomy = document.querySelector(`[data-anatomy="${this.id}"]`);
      this.timer = 0;
      this.range.addEventListener("input", () => this.show());
      element.addEventListener("change", () => this.show());
      element.querySelector(".screen").addEventListener("wheel", (event) => this.turn(event), { passive: false });
      this.image.addEventListener("error", () => this.failed(true));
      this.image.addEventListener("load", () => this.failed(false));
      if (this.anatomy) this.anatomy.addEventListener("click", (event) => this.jump(event));
      this.describe();
    }

    get index() {
      return Number(this.range.value) - 1;
    }

    address(index) {
      const preset = this.element.querySelector("input[type=radio]:checked").value;
      const segments = this.segments && this.segments.checked ? "&segments=1" : "";
      return `${this.element.dataset.base}/${index}?window=${preset}${segments}`;
    }

    show() {
      this.describe();
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => {
        this.image.src = this.address(this.index);
        const next = this.index + 1;
        if (next < this.numbers.length) new Image().src = this.address(next);
      }, 25);
    }

    failed(yes) {
      this.broken.hidden = !yes;
      this.image.classList.toggle("gone", yes);
    }

    describe() {
      const said = [`Slice ${this.index + 1} of ${this.numbers.length}`];
      if (this.numbers[this.index] !== "-") said.push(`instance ${this.numbers[this.index]}`);
      if (this.z.length) said.push(`${this.heights[this.index]} mm`);
      const score = this.scores[this.index];
      if (score && score !== "-") said.push(`score ${score}`);
      this.where.textContent = said.join(", ");
      this.image.alt = said[0];
      this.range.setAttribute("aria-valuetext", said.join(", "));
      this.point();
    }

    point() {
      if (!this.anatomy || !this.z.length) return;
      const { low, high, height } = this.anatomy.dataset;
      const y = ((high - this.z[this.index]) / (high - low)) * height;
      const cursor = this.anatomy.querySelector(".cursor");
      cursor.setAttribute("y1", y);
      cursor.setAttribute("y2", y);
    }

    turn(event) {
      event.preventDefault();
      this.range.value = Number(this.range.value) + (event.deltaY < 0 ? 1 : -1);
      this.show();
    }

    jump(event) {
      const svg = this.anatomy.querySelector("svg");
      const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
      const { low, high, height } = this.anatomy.dataset;
      const z = high - (at.y / height) * (high - low);
      const distance = (index) => Math.abs(this.z[index] - z);
      let best = 0;
      for (let index = 1; index < this.z.length; index += 1) if (distance(index) < distance(best)) best = index;
      this.range.value = best + 1;
      this.show();
    }
  }

  for (const element of document.querySelectorAll("[data-viewer]")) new Viewer(element);
})();
