// Follows the log of a pod: new lines are text, and only the last ones stay.
"use strict";
(() => {
  const MOST = 5000;
  const RETRY_MS = 3000;
  const log = document.getElementById("log");
  const state = document.getElementById("log-state");
  const scroll = document.getElementById("log-scroll");
  let lines = [];
  let left = 0;
  let due = false;
  let away = "";

  function draw() {
    due = false;
    const head = left ? [`… ${left.toLocaleString("en")} earlier lines are not shown …`] : [];
    log.textContent = head.concat(lines).join("\n");
    if (scroll.checked) log.scrollTop = log.scrollHeight;
  }

  function add(more) {
    lines = lines.concat(more);
    if (lines.length > MOST) {
      left += lines.length - MOST;
      lines = lines.slice(-MOST);
    }
    if (!due) {
      due = true;
      requestAnimationFrame(draw);
    }
  }

  function open() {
    const source = new EventSource(log.dataset.follow);
    source.addEventListener("begin", () => {
      lines = [];
      left = 0;
      away = "";
      state.textContent = "new lines appear as they come";
      add([]);
    });
    source.addEventListener("lines", (event) => add(event.data.split("\n")));
    source.addEventListener("gap", (event) => {
      left += lines.length + Number(event.data);
      lines = [];
    });
    source.addEventListener("end", () => {
      source.close();
      state.textContent = "the log has ended";
    });
    source.addEventListener("refused", (event) => {
      source.close();
      state.textContent = event.data;
    });
    source.addEventListener("away", (event) => {
      away = event.data;
    });
    source.addEventListener("error", () => {
      state.textContent = (away || "the log cannot be read at the moment") + ": trying again";
      if (source.readyState === EventSource.CLOSED) setTimeout(open, RETRY_MS);
    });
    window.addEventListener("pagehide", () => source.close(), { once: true });
  }

  open();
})();
