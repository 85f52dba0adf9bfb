"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, properties = {}) => Object.assign(document.createElement(tag), properties);
  const tip = document.getElementById("tip");

  // Colours: the radio buttons work by style sheet alone; here the choice is remembered.
  const remembered = (act) => { try { return act(window.localStorage); } catch { return null; } };
  const known = remembered((store) => store.getItem("uninas-bench-theme"));
  for (const button of all(".theme input")) {
    if (button.id === known) button.checked = true;
    button.addEventListener("change", () => remembered((store) => store.setItem("uninas-bench-theme", button.id)));
  }

  // Sorting: a number where the column holds numbers; what is missing stays last either way.
  const value = (cell, words) => {
    const text = cell.textContent.trim();
    if (words) return text.toLowerCase();
    const number = Number.parseFloat(text.replace(/[,%\s]/g, "").replace("\u2212", "-"));
    return Number.isNaN(number) ? null : number;
  };
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  };
  const sort = (table, head, place) => {
    const falling = head.getAttribute("aria-sort") === "descending"
      || (!head.hasAttribute("aria-sort") && head.classList.contains("l"));
    const sign = falling ? 1 : -1;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "ascending" : "descending");
    const words = head.classList.contains("l");
    const rows = [...table.tBodies[0].rows].map((row) => [value(row.cells[place], words), row]);
    rows.sort((a, b) => compare(a[0], b[0], sign));
    table.tBodies[0].append(...rows.map(([, row]) => row));
  };
  for (const table of all("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      const links = all("a", head);
      const button = make("button", { type: "button", title: "sort" });
      if (links.length) {
        // A link cannot stand in a button.
        button.setAttribute("aria-label", `sort by ${head.textContent}`);
        head.append(button);
      } else {
        button.append(...head.childNodes);
        head.append(button);
      }
      button.addEventListener("click", () => sort(table, head, place));
    });
  }

  // Filtering: rows that hold the text; cards whose name does.
  const filter = (place, entries, what) => {
    const input = make("input", { type: "search", placeholder: `filter ${what}` });
    input.setAttribute("aria-label", `filter ${what}`);
    const count = make("span");
    count.setAttribute("role", "status");
    const tools = make("div", { className: "tools" });
    tools.append(input, count);
    place.before(tools);
    input.addEventListener("input", () => {
      const wanted = input.value.trim().toLowerCase();
      let left = 0;
      for (const entry of entries) {
        const text = entry.dataset.key === undefined ? entry.textContent : entry.dataset.key;
        entry.hidden = !text.toLowerCase().includes(wanted);
        left += !entry.hidden;
      }
      count.textContent = wanted ? `${left} of ${entries.length}` : "";
    });
    return tools;
  };
  const said = (cell) => {
    const parts = [...cell.querySelectorAll("small")].map((part) => part.textContent.trim());
    const rest = [...cell.querySelectorAll("button, .head")].find((part) => part.textContent.trim()) || cell;
    const own = [...rest.childNodes].filter((node) => node.nodeName !== "SMALL").map((node) => node.textContent);
    return cell.tagName === "TH" ? [...parts, own.join("").trim()].join(" ").trim() : own.join("").trim();
  };
  const csv = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => {
    const text = said(cell);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }).join(",")).join("\n");
  for (const table of all("table.filterable")) {
    const tools = filter(table.closest(".scroll"), [...table.tBodies[0].rows], "rows");
    const save = make("button", { type: "button", textContent: "save as CSV" });
    save.addEventListener("click", () => {
      const link = make("a", { download: `${table.id || table.closest("[id]").id}.csv` });
      link.href = URL.createObjectURL(new Blob([csv(table) + "\n"], { type: "text/csv" }));
      link.click();
      URL.revokeObjectURL(link.href);
    });
    tools.append(save);
  }
  for (const cards of all("[data-filter]")) filter(cards, [...cards.children], cards.dataset.filter);

  // Pointing at a dot: its architecture here, the same architecture in every plot of the chapter.
  const dots = (path) => path === null ? []
    : [...path.getAttribute("d").matchAll(/M(\d+) (\d+)/g)].map((found) => [Number(found[1]), Number(found[2])]);
  const ring = (svg) => {
    const circle = document.createElementNS("http://www.w3.org/2000/svg", "circle");
    circle.setAttribute("class", "here");
    circle.setAttribute("r", "6");
    circle.setAttribute("visibility", "hidden");
    svg.append(circle);
    return circle;
  };
  const hiding = [];
  for (const chapter of all(".chapter")) {
    const table = document.getElementById(chapter.dataset.scores).querySelector("table");
    const rows = [...table.tBodies[0].rows];
    const heads = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
    const plots = all("svg.scatter", chapter).map((svg) => {
      const failed = svg.dataset.failed ? svg.dataset.failed.split(",").map(Number) : [];
      const scored = dots(svg.querySelector(".dots"));
      const lost = dots(svg.querySelector(".lost"));
      const places = new Array(rows.length);
      failed.forEach((row, i) => { places[row] = lost[i]; });
      let next = 0;
      for (let row = 0; row < rows.length; row += 1) if (!places[row]) { places[row] = scored[next]; next += 1; }
      return { svg, places, ring: ring(svg), column: Number(svg.dataset.column) };
    });
    let shown = -1;
    const hide = () => {
      if (shown < 0) return;
      rows[shown].classList.remove("at");
      shown = -1;
      tip.hidden = true;
      for (const plot of plots) plot.ring.setAttribute("visibility", "hidden");
    };
    hiding.push(hide);
    const show = (plot, row) => {
      hide();
      shown = row;
      rows[row].classList.add("at");
      for (const other of plots) {
        other.ring.setAttribute("cx", other.places[row][0]);
        other.ring.setAttribute("cy", other.places[row][1]);
        other.ring.setAttribute("visibility", "visible");
      }
      const cells = rows[row].cells;
      const score = cells[plot.column + 1].textContent.trim();
      const code = make("code", { textContent: cells[0].textContent.trim() });
      const spread = cells[2].textContent.trim();
      const line = `accuracy ${cells[1].textContent.trim()} %${spread === "-" ? "" : ` (sd ${spread})`}, `
        + `${heads[plot.column + 1]} ${score === "-" ? "failed" : score}, ${cells[3].textContent.trim()} params`;
      tip.replaceChildren(code, line);
      tip.hidden = false;
      const box = plot.svg.getBoundingClientRect();
      const view = plot.svg.viewBox.baseVal;
      const x = box.left + plot.places[row][0] / view.width * box.width;
      const y = box.top + plot.places[row][1] / view.height * box.height;
      const own = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(4, Math.min(x + 12, window.innerWidth - own.width - 4))}px`;
      tip.style.top = `${y + 14 + own.height < window.innerHeight ? y + 14 : Math.max(4, y - own.height - 14)}px`;
    };
    for (const plot of plots) {
      const { svg, places } = plot;
      const order = places.map((_, row) => row).sort((a, b) => places[a][0] - places[b][0] || places[b][1] - places[a][1]);
      svg.setAttribute("tabindex", "0");
      svg.addEventListener("pointermove", (event) => {
        const box = svg.getBoundingClientRect();
        const scale = svg.viewBox.baseVal.width / box.width;
        const x = (event.clientX - box.left) * scale;
        const y = (event.clientY - box.top) * scale;
        let nearest = -1;
        let least = 14 * 14;
        places.forEach(([px, py], row) => {
          const distance = (px - x) ** 2 + (py - y) ** 2;
          if (distance < least) { least = distance; nearest = row; }
        });
        if (nearest < 0) hide(); else if (nearest !== shown) show(plot, nearest);
      });
      svg.addEventListener("pointerleave", hide);
      svg.addEventListener("blur", hide);
      svg.addEventListener("keydown", (event) => {
        const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
        if (event.key === "Escape") hide();
        if (step === undefined || !order.length) return;
        event.preventDefault();
        const at = shown < 0 ? (step > 0 ? -1 : order.length) : order.indexOf(shown);
        show(plot, order[Math.max(0, Math.min(order.length - 1, at + step))]);
      });
    }
  }

  window.addEventListener("scroll", () => { for (const hide of hiding) hide(); }, { passive: true });

  // A link to numbers opens what hides them; paper has no closed parts but the scores.
  const open = () => {
    const target = window.location.hash && document.getElementById(window.location.hash.slice(1));
    const part = target && target.closest("details");
    if (part) { part.open = true; target.scrollIntoView(); }
  };
  window.addEventListener("hashchange", open);
  open();
  window.addEventListener("beforeprint", () => { for (const part of all("details:not(.all)")) part.open = true; });
})();
