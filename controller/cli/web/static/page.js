// What the pages of runwatchman need beside htmx: the live part, times in the reader's zone, and forms that are not overwritten.
"use strict";
(() => {
  const RETRY_MS = 3000;
  const AGES_MS = 20000;
  const zone = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    hourCycle: "h23", timeZoneName: "short",
  });
  let source = null;
  let ended = false;

  // Times: the server writes UTC. A time in full becomes the reader's; an age gets the time as its tooltip, and grows.
  function span(seconds) {
    const part = (size, sign, rest, small) => Math.floor(seconds / size) + sign + (rest ? rest + small : "");
    if (seconds < 120) return Math.max(0, Math.floor(seconds)) + "s";
    if (seconds < 600) return part(60, "m", Math.floor(seconds % 60), "s");
    if (seconds < 10800) return part(60, "m");
    if (seconds < 28800) return part(3600, "h", Math.floor((seconds % 3600) / 60), "m");
    if (seconds < 172800) return part(3600, "h");
    return seconds < 691200 ? part(86400, "d", Math.floor((seconds % 86400) / 3600), "h") : part(86400, "d");
  }

  function localTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      const local = zone.format(moment);
      if (!time.hasAttribute("data-age") && !time.hasAttribute("data-until")) time.textContent = local;
      else time.title = local;
    }
  }

  function ages() {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const moment = new Date(time.dateTime).getTime();
      if (!Number.isNaN(moment) && moment > 0) time.textContent = span((Date.now() - moment) / 1000);
    }
  }

  function waits() {
    for (const time of document.querySelectorAll("time[data-until]")) {
      const left = (new Date(time.dateTime).getTime() - Date.now()) / 1000;
      if (!Number.isNaN(left)) time.textContent = left > 0 ? "in " + span(left) : "now";
    }
  }

  // A form in which somebody has typed, and an opened detail, stay as they are until they are sent or closed.
  const kept = (node) => node.nodeType === Node.ELEMENT_NODE && node.closest("form[data-typed]");
  document.addEventListener("input", (event) => event.target.form?.setAttribute("data-typed", ""));
  document.addEventListener("reset", (event) => event.target.removeAttribute("data-typed"));
  document.addEventListener("htmx:afterRequest", (event) => event.target.closest?.("form")?.removeAttribute("data-typed"));

  // Somebody who works by keyboard stays in place: if what has the focus is gone, the nearest part around it that is left gets it.
  function keepingFocus(target, update) {
    const focused = document.activeElement;
    const around = [];
    for (let node = focused; target.contains(node) && node !== target; node = node.parentElement) around.push(node);
    update();
    if (!around.length || document.activeElement === focused) return;
    const left = around.find((node) => node.isConnected && (node.id || node === focused)) ?? document.getElementById("main");
    if (left !== focused && !left.hasAttribute("tabindex")) left.tabIndex = -1;
    left.focus({ preventScroll: true });
  }

  function show(target, html) {
    const holder = document.createElement("template");
    holder.innerHTML = html;
    localTimes(holder.content);
    keepingFocus(target, () => Idiomorph.morph(target, holder.content.childNodes, {
      morphStyle: "innerHTML",
      ignoreActiveValue: document.activeElement.matches("input, select, textarea"), // It ignores the children of other elements, too.
      callbacks: {
        beforeNodeMorphed: (old) => !kept(old),
        beforeNodeRemoved: (old) => !kept(old) && !(old.querySelector?.("form[data-typed]")),
        beforeAttributeUpdated: (name, node) => !(name === "tabindex" || (name === "open" && node.localName === "details")),
      },
    }));
    htmx.process(target);
    document.dispatchEvent(new CustomEvent("page:shown", { detail: target }));
  }

  function notice(text) {
    const line = document.createElement("p");
    line.className = "notice";
    line.textContent = text;
    document.getElementById("notice").replaceChildren(line);
  }

  // A hidden tab closes its stream: a browser has only six connections to a server, and nobody looks.
  function open() {
    const live = document.getElementById("live");
    if (!live?.dataset.live || source || ended || document.hidden) return;
    source = new EventSource(live.dataset.live);
    source.addEventListener("open", () => document.getElementById("notice").replaceChildren());
    source.addEventListener("live", (event) => show(document.getElementById("live"), event.data));
    source.addEventListener("notice", (event) => show(document.getElementById("notice"), event.data));
    source.addEventListener("expired", (event) => {
      ended = true;
      close();
      show(document.getElementById("notice"), event.data);
    });
    source.addEventListener("error", lost);
  }

  function lost() {
    if (source?.readyState === EventSource.CLOSED) {
      close();
      setTimeout(open, RETRY_MS);
    }
    notice("This page gets no changes at the moment: the connection to runwatchman's page is lost, or your session has ended. "
      + "It tries again; if that does not help, reload it.");
  }

  function close() {
    source?.close();
    source = null;
  }

  // Escape on a page that asks before something is done leads back, like its link "Do nothing".
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) document.querySelector("a[aria-keyshortcuts=Escape]")?.click();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
  localTimes(document);
  ages();
  waits();
  setInterval(() => (ages(), waits()), AGES_MS);
})();
