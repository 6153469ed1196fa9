// Two things: clips that start and stop, and pages that stay up to date. Without this script, clips run by themselves.
"use strict";

const LOOK_EVERY_MS = 2000;
const text = (name) => document.querySelector("main").dataset[name]; // in the language of the page

function addControls(clip) {
  if (clip.dataset.ready) return;
  clip.dataset.ready = "yes";
  const seconds = Number(clip.dataset.seconds);
  const bar = document.createElement("div");
  const button = document.createElement("button");
  const place = document.createElement("input");
  bar.className = "play";
  Object.assign(button, { type: "button" });
  Object.assign(place, { type: "range", min: 0, max: seconds, step: 0.05 });
  place.setAttribute("aria-label", text("moment"));
  bar.append(button, place);
  clip.after(bar);
  const say = () => (button.textContent = text(clip.animationsPaused() ? "play" : "pause"));
  const follow = () => {
    if (!clip.isConnected) return;
    place.value = clip.getCurrentTime() % seconds;
    if (!clip.animationsPaused()) requestAnimationFrame(follow);
  };
  button.onclick = () => {
    if (clip.animationsPaused()) {
      if (clip.getCurrentTime() >= seconds - 0.06) clip.setCurrentTime(0);
      clip.unpauseAnimations();
    } else clip.pauseAnimations();
    say();
    follow();
  };
  place.oninput = () => {
    clip.pauseAnimations();
    clip.setCurrentTime(Number(place.value));
    say();
  };
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const still = calm || !clip.closest(".large");
  const first = still ? seconds - 0.05 : 0; // the end, where all that was driven is seen
  clip.setCurrentTime(first);
  if (still) clip.pauseAnimations();
  say();
  follow();
  place.value = first; // before the page has loaded, the clip's own time is still 0
}

const withControls = (root) => root.querySelectorAll(".clip").forEach(addControls);

// What the server sent of each part, so that a part which has not changed, and perhaps plays a clip, is left alone.
const partsOf = (root) => new Map([...root.querySelectorAll("[data-part]")].map((e) => [e.dataset.part, e]));
const sent = new Map([...partsOf(document)].map(([name, e]) => [name, e.outerHTML]));

function takeUp(fresh) {
  const now = partsOf(document);
  const next = partsOf(fresh);
  if ([...now.keys()].join() !== [...next.keys()].join()) {
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
  } else {
    for (const [name, part] of next) if (sent.get(name) !== part.outerHTML) now.get(name).replaceWith(part.cloneNode(true));
  }
  for (const [name, part] of next) sent.set(name, part.outerHTML);
  withControls(document);
}

let said = "";
let restUntil = 0;
let looking = false;
let seen = document.querySelector("main").dataset.mark;

async function look() {
  if (document.hidden || looking) return;
  looking = true;
  const box = document.getElementById("trainer");
  try {
    const answer = await fetch("/live", { cache: "no-store" });
    const mark = answer.headers.get("x-mark") ?? "";
    const now = await answer.text();
    if (box && answer.ok && now !== said) box.innerHTML = said = now;
    if (answer.ok && mark !== seen && Date.now() > restUntil) {
      const begun = Date.now();
      const page = await fetch(location.href, { cache: "no-store" });
      takeUp(new DOMParser().parseFromString(await page.text(), "text/html"));
      seen = mark;
      restUntil = Date.now() + 10 * (Date.now() - begun); // a long run takes a while to read: the drive goes first
    }
  } catch {
    said = "";
    const section = box?.querySelector("section");
    if (section) {
      section.classList.add("gone");
      section.querySelector("span").textContent = text("ended");
    }
  } finally {
    looking = false;
  }
}

withControls(document);
setInterval(look, LOOK_EVERY_MS);
