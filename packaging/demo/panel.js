// The card panel: each block is one reader of one cardsvc, by its simulation API (cardsvc/localapi).
"use strict";
const say = text => { document.getElementById("say").textContent = text || ""; };

async function call(method, url, body) {
  const r = await fetch(url, { method, headers: body ? { "Content-Type": "application/json" } : {}, body: body && JSON.stringify(body) });
  const text = await r.text();
  const data = text ? JSON.parse(text) : null;
  if (!r.ok) throw new Error((data && data.detail) || r.statusText);
  return data;
}

let whose = {}; // software card id → pupil, for the cards that the demo made
const title = card => whose[card.id] ? `${whose[card.id]} ${card.label}` : card.label;

class Reader {
  constructor(block) {
    this.block = block;
    this.id = block.dataset.reader;
    this.base = document.body.dataset[block.dataset.cardsvc];
    this.slot = block.querySelector(".slot");
    this.pick = block.querySelector("select");
    block.addEventListener("click", e => { if (e.target.dataset.do) this.act(e.target.dataset.do); });
    this.watch();
  }
  watch() {
    const events = new EventSource(this.base + "/v1/events");
    events.addEventListener("reader", e => { const r = JSON.parse(e.data); if (r.id === this.id) refresh(); });
    events.onerror = () => { this.block.querySelector("h3 span").textContent = "连接中…"; };
    events.onopen = () => { this.block.querySelector("h3 span").textContent = ""; };
  }
  async act(what) {
    say("");
    try {
      if (what === "new") await call("POST", this.base + "/v1/sim/cards", { label: "白卡 " + new Date().toLocaleTimeString("zh-CN"), profile: document.getElementById("kind").value });
      if (what === "out") await call("POST", `${this.base}/v1/sim/readers/${this.id}/remove`);
      if (what === "in") {
        if (this.here) await call("POST", `${this.base}/v1/sim/readers/${this.id}/remove`);
        await call("POST", `${this.base}/v1/sim/readers/${this.id}/insert`, { card: this.pick.value });
      }
    } catch (e) { say(e.message); }
    refresh();
  }
  show(cards) {
    this.here = cards.find(c => c.reader === this.id);
    this.slot.classList.toggle("on", !!this.here);
    this.slot.textContent = this.here ? title(this.here) : "没有卡";
    const kept = this.pick.value;
    this.pick.replaceChildren(...cards.filter(c => !c.reader).map(c => new Option((c.blank ? "◌ " : "● ") + title(c), c.id)));
    if (kept) this.pick.value = kept;
    if (!this.pick.value && this.pick.options.length) this.pick.selectedIndex = 0;
    this.block.querySelector('[data-do="out"]').disabled = !this.here;
    this.block.querySelector('[data-do="in"]').disabled = !this.pick.options.length;
  }
}

const readers = [...document.querySelectorAll(".reader")].map(b => new Reader(b));
let running = false, again = false;
async function refresh() {
  if (running) { again = true; return; }
  running = true;
  for (const r of readers) {
    try { r.show(await call("GET", r.base + "/v1/sim/cards")); } catch (e) { say("读卡服务没有回答：" + e.message); }
  }
  running = false;
  if (again) { again = false; refresh(); }
}
fetch("/cards.json").then(r => r.json()).then(j => { whose = j; refresh(); });
setInterval(refresh, 3000);
