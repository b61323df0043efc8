// Passkeys (WebAuthn) and the reading of a staff card at the station. Without this script both are passed over and the page still works.
(() => {
  "use strict";
  const un64 = (s) => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const to64 = (b) => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const ids = (list) => (list || []).map((c) => ({ ...c, id: un64(c.id) }));
  // The wire form of options and answers (WebAuthn level 3, 5.1.8 to 5.1.10), spelled out for browsers without parse…FromJSON and toJSON.
  const forCreate = (o) => ({ ...o, challenge: un64(o.challenge), user: { ...o.user, id: un64(o.user.id) }, excludeCredentials: ids(o.excludeCredentials) });
  const forGet = (o) => ({ ...o, challenge: un64(o.challenge), allowCredentials: ids(o.allowCredentials) });
  const answer = (c) => {
    const r = c.response, out = { clientDataJSON: to64(r.clientDataJSON) };
    if (r.attestationObject) {
      out.attestationObject = to64(r.attestationObject);
      out.transports = r.getTransports ? r.getTransports() : [];
    } else {
      out.authenticatorData = to64(r.authenticatorData);
      out.signature = to64(r.signature);
      if (r.userHandle) out.userHandle = to64(r.userHandle);
    }
    return JSON.stringify({ id: c.id, rawId: to64(c.rawId), type: c.type, authenticatorAttachment: c.authenticatorAttachment || undefined, clientExtensionResults: c.getClientExtensionResults(), response: out });
  };
  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const said = form.querySelector("[data-said]");
    if (!window.PublicKeyCredential || location.hostname !== form.dataset.host) {
      const note = form.parentElement.querySelector("[data-elsewhere]");
      if (note) { note.hidden = false; form.hidden = true; }
      continue;
    }
    form.hidden = false;
    form.addEventListener("submit", async (e) => {
      if (form.elements.answer.value) return;
      e.preventDefault();
      said.hidden = true;
      const button = form.querySelector("button");
      button.disabled = true;
      try {
        const body = new URLSearchParams({ csrf: form.elements.csrf.value, second: form.elements.second ? "1" : "" });
        const r = await fetch(form.dataset.passkey, { method: "POST", body, headers: { Accept: "application/json" } });
        if (!r.ok) throw new Error(r.status);
        const q = await r.json();
        const c = "new" in form.dataset ? await navigator.credentials.create({ publicKey: forCreate(q.options.publicKey) })
          : await navigator.credentials.get({ publicKey: forGet(q.options.publicKey) });
        form.elements.ceremony.value = q.id;
        form.elements.answer.value = answer(c);
        form.submit();
      } catch {
        said.textContent = said.dataset.sayFail;
        said.hidden = false;
        button.disabled = false;
      }
    });
  }

  const card = document.querySelector("form[data-staffcard]");
  if (card && card.dataset.staffcard && window.EventSource) {
    const base = card.dataset.staffcard, said = card.querySelector("[data-said]");
    const hex = (b) => [...un64(b)].map((x) => x.toString(16).padStart(2, "0")).join("");
    const es = new EventSource(base + "/v1/events");
    es.onerror = () => { es.close(); said.textContent = said.dataset.sayOff; };
    es.addEventListener("reader", async (e) => {
      const at = JSON.parse(e.data);
      if (at.state !== "card" && at.state !== "unknown") return;
      const r = await fetch(base + "/v1/readers/" + encodeURIComponent(at.id) + "/tap", { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" }).then((x) => x.json()).catch(() => ({}));
      if (!r.chip_serial) return;
      card.elements.chip.value = hex(r.chip_serial);
      const level = Math.max(1, r.level);
      card.action = card.action.split("?")[0] + "?level=" + level;
      said.textContent = said.dataset.sayRead.replace("{n}", level);
    });
  }
})();
