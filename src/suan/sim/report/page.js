"use strict";
(() => {
  const root = document.documentElement;
  root.dataset.errors = "0";
  const failed = () => { root.dataset.errors = String(Number(root.dataset.errors) + 1); };
  window.addEventListener("error", failed);
  window.addEventListener("unhandledrejection", failed);
  window.addEventListener("securitypolicyviolation", failed);

  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const hidden = new Set();
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));
  root.classList.add("live");

  const duration = (s) => {
    const two = (n) => String(n).padStart(2, "0");
    if (s < 60) return `${Math.round(s * 10) / 10} s`;
    if (s < 3600) return `${Math.floor(s / 60)}m${two(Math.floor(s % 60))}s`;
    if (s < 86400) return `${Math.floor(s / 3600)}h${two(Math.floor((s % 3600) / 60))}m`;
    return `${Math.floor(s / 86400)}d${two(Math.floor((s % 86400) / 3600))}h`;
  };
  const round = (n) => n.toLocaleString("en", { maximumSignificantDigits: 4 });
  const shown = { queue: round, utilisation: (n) => `${(100 * n).toFixed(1)} %` };

  // What hovering shows: a heading, then a line for each policy. Text only, never markup.
  const tell = (event, heading, lines) => {
    tip.replaceChildren();
    const head = document.createElement("b");
    head.textContent = heading;
    tip.append(head);
    for (const [policy, words] of lines) {
      if (policy !== null && hidden.has(policy)) continue;
      const line = document.createElement("div");
      if (policy !== null) {
        const swatch = document.createElement("i");
        swatch.className = `swatch p${policy % 8}`;
        const name = document.createElement("span");
        name.textContent = data.policies[policy];
        line.append(swatch, name);
      }
      const value = document.createElement("em");
      value.textContent = words;
      if (policy === null) value.style.cssText = "margin:0;padding:0";
      line.append(value);
      tip.append(line);
    }
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const x = event.clientX + 14 + width > innerWidth ? event.clientX - width - 14 : event.clientX + 14;
    tip.style.left = `${Math.max(4, x)}px`;
    tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 8))}px`;
  };
  const hush = (svg) => {
    tip.hidden = true;
    const cross = svg.querySelector(".cross");
    if (cross) cross.style.visibility = "hidden";
  };

  // Where the pointer is, as a share of the axis; the dotted line goes there.
  const along = (svg, event) => {
    const box = svg.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const left = Number(svg.dataset.left), right = Number(svg.dataset.right);
    if (at < left || at > right) return null;
    const cross = svg.querySelector(".cross");
    cross.setAttribute("x1", at);
    cross.setAttribute("x2", at);
    cross.style.visibility = "visible";
    return { at, share: (at - left) / (right - left) };
  };

  const overTime = (svg) => {
    const chart = data[svg.dataset.chart];
    return (event) => {
      const place = along(svg, event);
      if (!place) return hush(svg);
      const now = place.share * chart.end;
      const lines = [];
      chart.lines.forEach((line, policy) => {
        if (now < line.start || now > line.end || !line.values.length) return;
        const bucket = Math.min(Math.floor((now - line.start) / line.width), line.values.length - 1);
        lines.push([policy, shown[svg.dataset.chart](line.values[bucket])]);
      });
      tell(event, `after ${duration(now / 1e6)}`, lines);
    };
  };

  // A curve's height at a place, read off its own path.
  const heightAt = (path, at) => {
    const points = path.getAttribute("d").slice(1).split("L").map((each) => each.split(" ").map(Number));
    for (let i = 1; i < points.length; i += 1) {
      const [x0, y0] = points[i - 1], [x1, y1] = points[i];
      if (at <= x1) return x1 > x0 ? y0 + ((at - x0) / (x1 - x0)) * (y1 - y0) : y1;
    }
    return points[points.length - 1][1];
  };
  const overWaits = (svg) => (event) => {
    const place = along(svg, event);
    if (!place) return hush(svg);
    const { low, high, top, bottom } = svg.dataset;
    const wait = Number(low) * Math.pow(Number(high) / Number(low), place.share);
    const lines = all(".curves.on .line", svg).map((path) => {
      const share = (Number(bottom) - heightAt(path, place.at)) / (Number(bottom) - Number(top));
      return [policyOf(path), `${(100 * share).toFixed(1)} %`];
    });
    lines.sort((one, other) => one[0] - other[0]);
    tell(event, `waited at most ${duration(wait)}`, lines);
  };
  const policyOf = (element) => Number(/(?:^| )s(\d+)(?: |$)/.exec(element.getAttribute("class"))[1]);

  const overRows = () => (event) => {
    const row = event.target.closest(".row");
    if (!row) { tip.hidden = true; return; }
    const [heading, ...lines] = row.dataset.tip.split("\n");
    tell(event, heading, lines.map((each) => {
      const [policy, , words] = each.split("\t");
      return [Number(policy), words];
    }));
  };

  const overRuns = (svg) => {
    const runs = data.gantt[Number(svg.dataset.policy)];
    const bars = new Map(all("rect", svg).map((bar, at) => [bar, runs[at]]));
    return (event) => {
      const run = bars.get(event.target);
      if (!run) { tip.hidden = true; return; }
      const [job, tenant, began, ran] = run;
      const node = event.target.parentNode.dataset.node;
      const when = `from ${duration(began)} for ${duration(ran)}`;
      tell(event, job, [[null, tenant], [null, node], [null, when]]);
    };
  };

  const hover = (selector, make) => all(selector).forEach((svg) => {
    svg.addEventListener("pointermove", make(svg));
    svg.addEventListener("pointerleave", () => hush(svg));
  });
  hover("svg.time", overTime);
  hover("svg.cdf", overWaits);
  hover("svg.dots", overRows);
  hover("svg.gantt", overRuns);

  all(".key").forEach((key) => key.addEventListener("click", () => {
    const policy = Number(key.dataset.policy);
    const off = !hidden.has(policy);
    if (off) hidden.add(policy); else hidden.delete(policy);
    key.setAttribute("aria-pressed", String(!off));
    all(`.s${policy}`).forEach((each) => { each.style.display = off ? "none" : ""; });
    all(`.summary thead th:nth-child(${policy + 2})`).forEach((each) => { each.style.display = off ? "none" : ""; });
  }));

  const select = document.getElementById("group");
  const choose = (group) => {
    select.value = group;
    const of = document.querySelector("svg.cdf").closest("figure").querySelector("figcaption p");
    of.dataset.words ??= of.textContent;
    const name = select.selectedOptions[0].textContent;
    of.textContent = group === "all" ? of.dataset.words : `${of.dataset.words}: jobs of ${name}`;
    all("svg.cdf .curves").forEach((each) => each.classList.toggle("on", each.dataset.group === group));
    all(".row").forEach((each) => each.classList.toggle("on", each.dataset.group === group));
    const tenant = /^tenants-(\d+)$/.exec(group);
    all("svg.gantt").forEach((svg) => {
      svg.classList.toggle("dim", Boolean(tenant));
      all("rect.on", svg).forEach((bar) => bar.classList.remove("on"));
      if (tenant) all(`rect.t${tenant[1]}`, svg).forEach((bar) => bar.classList.add("on"));
    });
  };
  select.addEventListener("change", () => choose(select.value));
  all(".row").forEach((row) => row.addEventListener("click", () => {
    const known = Array.from(select.options).some((each) => each.value === row.dataset.group);
    if (known) choose(select.value === row.dataset.group ? "all" : row.dataset.group);
  }));
  root.dataset.ready = "1";
})();
