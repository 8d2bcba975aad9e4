"use strict";
(function () {
  const value = (row, column) => {
    const cell = row.cells[column];
    return cell.dataset.v === undefined ? cell.textContent.trim() : cell.dataset.v;
  };
  const number = /^-?\d+(\.\d+)?$/;
  const compare = (a, b) =>
    number.test(a) && number.test(b) ? a - b : a.localeCompare(b, "en", { numeric: true });

  const show = (table) => {
    const body = table.tBodies[0];
    const words = (table.dataset.words || "").toLowerCase().split(/\s+/).filter(Boolean);
    const page = table.dataset.all ? Infinity : Number(table.dataset.page || Infinity);
    let fitting = 0;
    for (const row of body.rows) {
      const text = words.length ? (row.textContent + " " + (row.dataset.f || "")).toLowerCase() : "";
      const fits = words.every((word) => text.includes(word));
      fitting += fits ? 1 : 0;
      row.hidden = !fits || fitting > page;
    }
    const more = table.parentElement.nextElementSibling;
    if (more && more.classList.contains("more")) {
      more.hidden = fitting <= page;
      more.textContent = "Show all " + fitting;
    }
    return fitting;
  };

  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const rows = [...table.tBodies[0].rows].map((row) => [value(row, column), row]);
        rows.sort((a, b) => (up ? compare(a[0], b[0]) : compare(b[0], a[0])));
        const all = document.createDocumentFragment();
        for (const [, row] of rows) all.append(row);
        table.tBodies[0].append(all);
        show(table);
      });
    });
    if (table.dataset.page) {
      const more = document.createElement("button");
      more.type = "button";
      more.className = "more";
      more.addEventListener("click", () => {
        table.dataset.all = "1";
        show(table);
      });
      table.parentElement.after(more);
      show(table);
    }
  }

  const table = document.getElementById("repository-table");
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const refresh = () => {
    table.dataset.words = filter.value;
    const fitting = show(table);
    shown.textContent = filter.value.trim() ? fitting + " of " + table.tBodies[0].rows.length : "";
  };
  let waiting = 0;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(refresh, table.tBodies[0].rows.length > 500 ? 120 : 0);
  });
  for (const link of document.querySelectorAll("a[data-filter]")) {
    link.addEventListener("click", () => {
      filter.value = link.dataset.filter;
      refresh();
    });
  }

  const open = () => {
    const target = /^#r\d+$/.test(location.hash) && document.getElementById(location.hash.slice(1));
    if (target) {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
})();
