/* Comfort for whoever allows scripts: a page is complete without it. It reads what is on the page,
   asks for nothing, stores nothing, and only ever writes text. */
"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const make = (tag, values = {}, ...children) => {
    const node = Object.assign(document.createElement(tag), values);
    node.append(...children);
    return node;
  };
  const amount = (value) => {
    const size = Math.abs(value);
    const digits = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : 2;
    return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).replace("-", "−");
  };

  /* sorting: numbers as numbers, everything else as text, the page's own order on the third press */
  const valueOf = (cell) => {
    const text = cell ? cell.firstChild ? cell.firstChild.textContent.trim() : "" : "";
    const number = parseFloat(text.replace(/,/g, "").replace("−", "-").replace(/^[^\d+-]*(?=[\d+-])/, ""));
    return /^[+−-]?[\d,.]+/.test(text) && !/^\d{4}-\d\d-/.test(text) ? number : text.toLowerCase();
  };
  const compare = (a, b) => typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
  const order = new WeakMap();
  const sortInto = (parent, items, keyOf, way) => {
    if (!order.has(parent)) order.set(parent, items);
    const first = order.get(parent).filter((item) => item.parentNode === parent);
    const keyed = first.map((item) => [way ? keyOf(item) : 0, item]);
    if (way) keyed.sort((a, b) => way * compare(a[0], b[0]));
    parent.append(...keyed.map((pair) => pair[1]));
  };
  const sorter = (heads, head, sort) => {
    const button = make("button", { type: "button", className: "sort" }, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const was = head.getAttribute("aria-sort");
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      const next = was === "descending" ? "ascending" : was === "ascending" ? "" : "descending";
      if (next) head.setAttribute("aria-sort", next);
      sort(next === "descending" ? -1 : next ? 1 : 0);
    });
  };
  all("table.sorts").forEach((table) => {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      if (head.matches(".drawn")) return;
      sorter(heads, head, (way) => sortInto(table.tBodies[0], [...table.tBodies[0].rows], (row) => valueOf(row.cells[column]), way));
    });
  });
  all(".tree").forEach((tree) => {
    const heads = all(".heads > span", tree);
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      sorter(heads, head, (way) => {
        all("tbody", tree).forEach((body) => sortInto(body, [...body.rows], (row) => valueOf(row.cells[column]), way));
        new Set(all("details.node", tree).map((node) => node.parentNode)).forEach((parent) =>
          sortInto(parent, all(":scope > details.node", parent), (node) => valueOf(node.querySelector("summary").children[column]), way));
      });
    });
    tree.querySelector(".heads").removeAttribute("aria-hidden");
  });

  /* filtering by what people type; every word has to be there */
  all("[data-find]").forEach((place) => {
    const above = (row) => row.matches("details *") ? named(row.closest("details.node")) : "";
    const named = (node) => node ? node.querySelector(".name").textContent + " " + named(node.parentNode.closest("details.node")) : "";
    const rows = all(place.dataset.find).map((row) => [row, (row.textContent + " " + above(row)).toLowerCase()]);
    if (rows.length < 6) return;
    const nodes = all("details.node");
    const opened = nodes.map((node) => node.open);
    const box = make("input", { type: "search", placeholder: "Find", autocomplete: "off" });
    box.setAttribute("aria-label", "Find in the table");
    const told = make("span", { className: "note" });
    told.setAttribute("role", "status");
    place.append(box, told);
    box.addEventListener("input", () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let found = 0;
      rows.forEach(([row, text]) => {
        row.hidden = !words.every((word) => text.includes(word));
        found += !row.hidden;
      });
      nodes.forEach((node, i) => {
        node.hidden = words.length > 0 && !node.querySelector("tbody > tr:not([hidden])");
        node.open = words.length ? !node.hidden : opened[i];
      });
      told.textContent = words.length ? found + " of " + rows.length : "";
    });
  });

  /* reading a curve at any spend: pointer, touch and arrow keys */
  const tip = make("div", { className: "tip", hidden: true });
  tip.setAttribute("role", "status");
  document.body.append(tip);
  const points = (path) => (path.getAttribute("d").match(/-?[\d.]+ -?[\d.]+/g) || []).map((pair) => pair.split(" ").map(Number));
  const heightAt = (line, x) => {
    const right = Math.max(1, line.findIndex((point) => point[0] >= x));
    const [a, b] = [line[right - 1], line[right]];
    return a[1] + (b[1] - a[1]) * Math.min(Math.max((x - a[0]) / (b[0] - a[0] || 1), 0), 1);
  };
  all("svg[data-x]").forEach((svg) => {
    const [x0, x1] = svg.dataset.x.split(" ").map(Number);
    const [y0, y1] = svg.dataset.y.split(" ").map(Number);
    const lines = all("path.mean", svg).map((path) => [path, points(path)]);
    const band = svg.querySelector("path.band");
    const edge = band ? points(band) : [];
    const high = edge.slice(0, edge.length / 2), low = edge.slice(edge.length / 2).reverse();
    const spend = (x) => x0 + (x - 40) / 266 * (x1 - x0);
    const value = (y) => y0 + (166 - y) / 154 * (y1 - y0);
    const cross = svg.querySelector("path").cloneNode();
    cross.setAttribute("class", "cross");
    cross.removeAttribute("d");
    svg.append(cross);
    let at = 173;
    const show = (x) => {
      at = Math.min(Math.max(x, 40), 306);
      cross.setAttribute("d", "M" + at + " 12V166");
      const [path, line] = lines.find((pair) => at <= pair[1][pair[1].length - 1][0]) || lines[lines.length - 1];
      const text = [svg.dataset.at + " " + amount(spend(at)), (path.dataset.name || "earns") + " " + amount(value(heightAt(line, at)))];
      if (band) {
        text[1] += " (" + amount(value(heightAt(low, at))) + " to " + amount(value(heightAt(high, at))) + ")";
        const step = 4, left = Math.max(at - step, 40), right = Math.min(at + step, 306);
        const rise = value(heightAt(lines[0][1], right)) - value(heightAt(lines[0][1], left));
        text.push("the next 1 earns " + amount(rise / (spend(right) - spend(left))));
      }
      tip.textContent = text.join("\n");
      tip.hidden = false;
      const box = svg.getBoundingClientRect(), wide = tip.offsetWidth;
      const left = box.left + at / 320 * box.width;
      tip.style.setProperty("left", Math.min(Math.max(left - wide / 2, 8), document.documentElement.clientWidth - wide - 8) + scrollX + "px");
      tip.style.setProperty("top", box.top + scrollY - tip.offsetHeight + 4 + "px");
    };
    const hide = () => { tip.hidden = true; cross.removeAttribute("d"); };
    const move = (event) => {
      const box = svg.getBoundingClientRect();
      show((event.clientX - box.left) / box.width * 320);
    };
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerdown", move);
    svg.addEventListener("pointerleave", hide);
    svg.tabIndex = 0;
    svg.addEventListener("focus", () => { if (svg.matches(":focus-visible")) show(at); });
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -6, ArrowRight: 6 }[event.key];
      if (event.key === "Escape") hide();
      if (step) { event.preventDefault(); show(at + step); }
    });
  });

  /* a frame, such as Airflow's on a run, may let no link out: say where else to go */
  if (self !== top) all(".sign .go a").forEach((link) => link.addEventListener("click", () => {
    if (link.dataset.told) return;
    link.dataset.told = "yes";
    link.parentNode.after(make("p", {}, "If nothing opened, this frame lets no link out: choose the task sign_off of this run, or open " + link.href));
  }));

  /* the command that signs, one press away */
  all("pre.command").forEach((pre) => {
    const button = make("button", { type: "button", className: "copy", textContent: "Copy" });
    button.addEventListener("click", async () => {
      getSelection().selectAllChildren(pre.querySelector("code"));
      try {
        await navigator.clipboard.writeText(pre.textContent.trim());
        button.textContent = "Copied";
      } catch {
        button.textContent = "Selected: copy it";
      }
    });
    pre.after(button);
  });
})();
