"use strict";
(() => {
  // Colours stand in the figures as "@name"; the style sheet says what each is now.
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const root = document.documentElement;
  const precise = matchMedia("(pointer: fine)").matches;

  const resolve = (value, style) => {
    if (typeof value === "string" && value[0] === "@") {
      return style.getPropertyValue("--" + value.slice(1)).trim() || value;
    }
    if (Array.isArray(value)) return value.map((each) => resolve(each, style));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, resolve(each, style)]));
    }
    return value;
  };

  const draw = (width) => {
    const style = getComputedStyle(root);
    for (const figure of figures) {
      const place = document.getElementById("plot-" + figure.key);
      const layout = resolve(figure.layout, style);
      layout.dragmode = precise ? "zoom" : false; // a finger on a plot scrolls the page
      if (width) layout.width = width;
      Plotly.react(place, resolve(figure.data, style), layout, {
        displayModeBar: false,
        responsive: true,
        showTips: false,
      });
    }
  };

  const atNumber = (text) => (text === "" ? NaN : Number(text));

  const sort = (button) => {
    const heading = button.closest("th");
    const table = button.closest("table");
    const column = heading.cellIndex;
    const numeric = button.dataset.kind === "number";
    const before = heading.getAttribute("aria-sort");
    const first = button.dataset.better === "higher" ? "descending" : "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const order = before === first ? other : first;
    const sign = order === "ascending" ? 1 : -1;
    for (const each of table.tHead.rows[0].cells) each.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", order);
    for (const body of table.tBodies) {
      if ("fixed" in body.dataset) continue; // programs without figures
      const rows = Array.from(body.rows, (row) => [row, row.cells[column].dataset.value]);
      rows.sort(([, one], [, two]) => {
        if (!numeric) return sign * one.localeCompare(two);
        const [a, b] = [atNumber(one), atNumber(two)];
        if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b); // what is not known stays last
        return sign * (a - b);
      });
      body.append(...rows.map(([row]) => row));
    }
  };

  for (const button of document.querySelectorAll("table.sortable button")) {
    button.addEventListener("click", () => sort(button));
  }
  if (figures.length) {
    draw();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => draw());
    addEventListener("beforeprint", () => {
      root.classList.add("printing");
      draw(640);
    });
    addEventListener("afterprint", () => {
      root.classList.remove("printing");
      draw();
    });
  }
})();
