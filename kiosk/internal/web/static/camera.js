// Reads the archive's code by the machine's camera, when a person asks for it. The camera is on only while the question stands there: with the question, the
// page's sight or the line to the kiosk program it is off. No picture leaves this machine and none is kept.
"use strict";
(() => {
  const root = document.documentElement, screenEl = document.getElementById("screen"), media = navigator.mediaDevices;
  const token = document.querySelector('meta[name="kiosk-token"]').content;
  const side = 720, pause = 120;
  const video = document.createElement("video"), canvas = document.createElement("canvas");
  video.muted = video.playsInline = true;
  video.setAttribute("aria-hidden", "true");
  canvas.width = canvas.height = side;
  const paint = canvas.getContext("2d", { willReadFrequently: true, alpha: false });
  let stream = null, turn = null, there = false, note = "", last = "", lastAt = 0;

  const slot = () => screenEl.querySelector("[data-camera]");

  // look puts what the camera is about into the question as it stands there now; a question drawn anew is a new slot.
  function look() {
    const s = slot();
    if (!s) { if (turn) stop(); note = ""; return; }
    s.hidden = !there;
    const f = s.querySelector("[data-finder]"), n = s.querySelector("[data-film-note]");
    if (stream && video.parentNode !== f) { f.append(video); video.play().catch(() => {}); }
    n.hidden = !note;
    if (n.textContent !== note) n.textContent = note;
  }
  function stop(why) {
    turn = null;
    if (stream) for (const t of stream.getTracks()) { t.onended = null; t.stop(); }
    stream = null;
    video.srcObject = null;
    video.remove();
    paint.clearRect(0, 0, side, side);
    delete root.dataset.camera;
    last = "";
    const s = slot();
    note = s && why ? s.dataset[why] : "";
    look();
  }
  async function start() {
    if (turn) return;
    const mine = turn = {};
    note = "";
    look();
    let got = null;
    try {
      got = await media.getUserMedia({ audio: false, video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: { ideal: "user" } } });
    } catch (e) {
      if (turn === mine) stop(e.name === "NotAllowedError" || e.name === "SecurityError" ? "denied" : "broken");
      return;
    }
    if (turn !== mine) { // the family has left meanwhile
      for (const t of got.getTracks()) t.stop();
      return;
    }
    stream = got;
    stream.getTracks()[0].onended = () => stop("broken");
    video.srcObject = stream;
    root.dataset.camera = "on";
    if (document.activeElement && document.activeElement.tagName === "INPUT") document.activeElement.blur(); // a scanner's keys still count
    look();
    film(mine);
  }

  // The middle square of the picture, as the frame on the glass shows it.
  function square() {
    const w = video.videoWidth, h = video.videoHeight, n = Math.min(w, h);
    if (!n) return false;
    paint.drawImage(video, (w - n) / 2, (h - n) / 2, n, n, 0, 0, side, side);
    return true;
  }
  async function ask() {
    const px = paint.getImageData(0, 0, side, side).data, body = new Uint8Array(4 + side * side);
    new DataView(body.buffer).setUint16(0, side);
    new DataView(body.buffer).setUint16(2, side);
    for (let i = 0, j = 4; i < px.length; i += 4, j++) body[j] = (px[i] * 77 + px[i + 1] * 150 + px[i + 2] * 29) >> 8;
    const r = await fetch("/frame", { method: "POST", headers: { "Content-Type": "application/octet-stream", "Xueji-Kiosk": token }, body, cache: "no-store" });
    return r.ok ? (await r.json()).text : "";
  }
  async function film(mine) {
    let own = null; // the browser's own reader, where it has one
    try {
      if (window.BarcodeDetector && (await BarcodeDetector.getSupportedFormats()).includes("qr_code")) own = new BarcodeDetector({ formats: ["qr_code"] });
    } catch (e) { own = null; }
    while (turn === mine) {
      let text = "";
      try {
        if (square()) {
          if (own) text = (await own.detect(canvas)).map((c) => c.rawValue)[0] || "";
          if (!text) text = await ask();
        }
      } catch (e) { if (own) own = null; }
      if (turn !== mine) return;
      // The same wrong code held there still is told once, not thirty times.
      if (text && (text !== last || Date.now() - lastAt > 4000)) {
        last = text;
        lastAt = Date.now();
        document.dispatchEvent(new CustomEvent("scanned", { detail: text.slice(0, 3000) }));
      }
      await new Promise((r) => setTimeout(r, pause));
    }
  }

  async function count() {
    there = !!media && (await media.enumerateDevices().catch(() => [])).some((d) => d.kind === "videoinput");
    look();
  }
  document.addEventListener("click", (e) => {
    const b = e.target.closest("[data-film]");
    if (b && b.dataset.film === "on") start();
    if (b && b.dataset.film === "off") stop();
  });
  document.addEventListener("visibilitychange", () => { if (document.hidden) stop(); });
  addEventListener("pagehide", () => stop());
  new MutationObserver(look).observe(screenEl, { childList: true });
  if (media) media.addEventListener("devicechange", count);
  count();
})();
