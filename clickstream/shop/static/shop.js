/* The basket, and what the shop tells the collector beside what its tag tells by itself. */

const BASKET = "leeward.basket"; // { product: quantity }
const ORDER = "leeward.order";
const CONSENT = "leeward.consent"; // "no" when it was taken back
const OPTED_OUT = "clickstream.opted-out"; // the tag's own note that somebody opted out

// Calls wait in `q` until the tag is there; without a collector they wait in vain, and harm nothing.
const tag = (window.clickstream = window.clickstream || {});
const call = (...words) => (tag.q = tag.q || []).push(words);
const track = (event, properties) => call("track", event, properties);

const all = (selector) => [...document.querySelectorAll(selector)];
const money = (cents) => `€ ${(cents / 100).toFixed(2)}`;

/** What storage has; it may be blocked, or hold anything. */
function read(storage, key) {
  try {
    return JSON.parse(window[storage].getItem(key)) || {};
  } catch {
    return {};
  }
}
let memory = read("localStorage", BASKET);
function write(basket) {
  memory = basket;
  try {
    localStorage.setItem(BASKET, JSON.stringify(basket));
  } catch {} // then it lasts as long as the page
  show();
}

/** The lines that are shown on this page: every product has one, hidden while it is not in the basket. */
const lines = () =>
  all("[data-line]").map((row) => ({
    row,
    product: row.dataset.line,
    price: Number(row.dataset.price),
    quantity: Math.min(99, Math.max(0, Math.floor(memory[row.dataset.line]) || 0)),
  }));
const sum = (of) => lines().reduce((total, line) => total + of(line), 0);
const total = () => sum((line) => line.price * line.quantity);

function show() {
  const pieces = Object.values(memory).reduce((count, quantity) => count + (Math.floor(quantity) || 0), 0);
  for (const badge of all("[data-count]")) {
    badge.hidden = !pieces;
    badge.textContent = pieces;
  }
  for (const { row, price, quantity } of lines()) {
    row.hidden = !quantity;
    row.querySelector("[data-quantity]").textContent = quantity;
    row.querySelector("[data-sum]").textContent = money(price * quantity);
  }
  const filled = total() > 0;
  for (const part of all("[data-filled]")) part.hidden = !filled;
  for (const part of all("[data-empty]")) part.hidden = filled;
  for (const part of all("[data-total]")) part.textContent = money(total());
}

for (const form of all("form[data-add]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const product = form.dataset.add;
    const quantity = Number(form.querySelector("select").value);
    write({ ...memory, [product]: (Math.floor(memory[product]) || 0) + quantity });
    track("addtobasket", { product, quantity, price: Number(form.dataset.price) / 100, currency: "EUR" });
    const said = document.querySelector("[data-said]");
    const link = document.createElement("a");
    link.href = "/basket";
    link.textContent = "See the basket";
    said.replaceChildren(`${quantity} in the basket. `, link);
  });
}

for (const button of all("[data-remove]")) {
  button.addEventListener("click", () => {
    const { product, quantity, price } = lines().find((line) => line.product === button.dataset.remove);
    const { [product]: _gone, ...rest } = memory;
    write(rest);
    track("removefrombasket", { product, quantity, price: price / 100, currency: "EUR" });
    document.getElementById("main").focus(); // the button has gone
  });
}

for (const form of all("form[data-demo]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const bought = lines().filter((line) => line.quantity);
    const order = crypto.getRandomValues(new Uint32Array(1))[0].toString(36).toUpperCase();
    track("purchase", {
      order,
      value: total() / 100,
      currency: "EUR",
      items: sum((line) => line.quantity),
      products: bought.map((line) => line.product).join(" "),
      delivery: document.getElementById("how").value,
    });
    try {
      sessionStorage.setItem(ORDER, JSON.stringify({ order, value: total() }));
    } catch {}
    write({});
    location.assign(form.action);
  });
}

const ordered = read("sessionStorage", ORDER);
for (const part of all("[data-order]")) {
  if (!ordered.order) break;
  part.querySelector("[data-number]").textContent = ordered.order;
  part.querySelector("[data-paid]").textContent = money(ordered.value);
  part.hidden = false;
}

for (const link of all("header nav a")) {
  if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
}

/* --- who may be told of. The tag waits for consent, and forgets it with its page; opting out it remembers itself. */

function kept(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
const consent = document.getElementById("consent");
const optOut = document.getElementById("opt-out");
/** Tell the tag what the visitor decided, here or in another tab. */
function heed() {
  // Other shops ask first. Here the visitor is who started it.
  consent.checked = kept(CONSENT) !== "no";
  optOut.checked = Boolean(kept(OPTED_OUT));
  call("consent", consent.checked);
}
heed();

consent.addEventListener("change", () => {
  try {
    localStorage.setItem(CONSENT, consent.checked ? "yes" : "no");
  } catch {} // then it lasts as long as the page
  call("consent", consent.checked);
  showTelling();
});
optOut.addEventListener("change", () => {
  call("optOut", optOut.checked);
  showTelling();
});

function showTelling() {
  const asks = navigator.globalPrivacyControl || /^(1|yes)$/.test(navigator.doNotTrack);
  consent.disabled = optOut.disabled = Boolean(asks || !tag.loaded);
  const told = asks
    ? "Your browser asks not to be tracked: the collector is told nothing."
    : !tag.loaded
      ? "The collector does not answer: it is told nothing."
      : optOut.checked
        ? "You opted out: the collector is told nothing."
        : consent.checked
          ? "The collector is told what you do here."
          : "You do not agree: the collector is told nothing.";
  document.querySelector("[data-telling]").textContent = told;
}

show();
// Shown again from the cache of Back and Forward, or changed in another tab.
const again = () => {
  memory = read("localStorage", BASKET);
  show();
};
const decidedAgain = () => {
  // Where nothing can be stored, what was decided on this page holds.
  if (kept(CONSENT) !== null) heed();
  else optOut.checked ||= Boolean(kept(OPTED_OUT));
  showTelling();
};
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  again();
  decidedAgain();
});
addEventListener("storage", (event) => {
  again();
  if (event.key === CONSENT) decidedAgain();
  if (event.key === OPTED_OUT) {
    optOut.checked = Boolean(event.newValue);
    call("optOut", optOut.checked);
    showTelling();
  }
});
addEventListener("load", showTelling); // the tag is there, if it comes at all
