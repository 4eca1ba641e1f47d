"use strict";
// A click on a column's name sorts the rows by it, and a field filters them; without JavaScript the table is as it was
// written. A filter is one or more words that a row contains, or conditions such as eta=0.1 or val_accuracy>0.9.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  const names = headers.map((header) => header.textContent);
  const rows = [...table.tBodies[0].rows];
  const collator = new Intl.Collator("en", { numeric: true });
  const missing = (cell) => cell.textContent === "–";
  const compare = (a, b) => {
    const [x, y] = [a, b].map((cell) => cell.dataset.value);
    if (x !== undefined && y !== undefined) return Number(x) - Number(y);
    return collator.compare(a.textContent, b.textContent);
  };
  headers.forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const descending = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      rows.sort((one, other) => {
        const [a, b] = [one.cells[column], other.cells[column]];
        if (missing(a) || missing(b)) return missing(a) - missing(b); // at the end, whichever way
        return descending ? compare(b, a) : compare(a, b);
      });
      table.tBodies[0].append(...rows);
    });
  });

  const signs = {
    "=": (order) => order === 0, "!=": (order) => order !== 0,
    "<": (order) => order < 0, "<=": (order) => order <= 0, ">": (order) => order > 0, ">=": (order) => order >= 0,
  };
  const number = (text) => (text.endsWith("%") ? Number(text.slice(0, -1)) / 100 : Number(text));
  const meets = (row, word) => {
    const [, name, sign, value] = word.match(/^(.+?)(!=|<=|>=|=|<|>)(.+)$/) ?? [];
    const cell = row.cells[names.indexOf(name)];
    if (!cell) return row.textContent.toLowerCase().includes(word.toLowerCase());
    if (missing(cell)) return sign === "!=";
    const isNumber = cell.dataset.value !== undefined && !Number.isNaN(number(value));
    const order = isNumber ? Number(cell.dataset.value) - number(value) : collator.compare(cell.textContent, value);
    return signs[sign](order);
  };
  const label = document.createElement("label");
  const field = document.createElement("input");
  const count = document.createElement("output");
  field.type = "search";
  field.placeholder = `relu ${names[1]}>${table.rows[1].cells[1].dataset.value ? "0.9" : "…"}`;
  const filter = () => {
    const words = field.value.split(/\s+/).filter(Boolean);
    rows.forEach((row) => { row.hidden = !words.every((word) => meets(row, word)); });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  field.addEventListener("input", filter);
  label.className = "filter";
  label.append("Filter", field, count);
  table.parentNode.before(label);
  filter();
}
