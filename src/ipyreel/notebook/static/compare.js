// One bar for several videos: those of its output, or of one row or column of a matrix. It is
// saved with them, so that it also works without a kernel; where scripts are not run, each
// video has its own controls. In a grid these show only under the pointer and with the focus.
// Comments and indents are not saved: a line here must not depend on them.

const SLACK = 1; // frames that a playing video may be off before it is put right
const {parentElement: home, dataset: {groups}} = document.currentScript;
const place = home.closest('.ipyreel-grid') || home; // there, videos come one after another
const rate = Number(home.dataset.rate) || 24;
const alone = 'rate' in home.dataset; // side by side, the bar is all there is
const touch = !alone && matchMedia('(hover: none)').matches;

let frame = 0, playing = false, loop = true, muted = true, group = '', began, turn;
const known = new WeakSet();
let videos = [], seconds = 0, last = 0;

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function gather() {
  const all = [...place.querySelectorAll('video')];
  for (const video of all.filter(one => !known.has(one))) {
    known.add(video);
    if (!alone) video.tabIndex = 0;
    video.controls = touch;
    video.addEventListener('loadedmetadata', () => {
      gather();
      if (alone || frame) video.currentTime = moment(video);
      paint();
    });
  }
  videos = all.filter(video => !group || video.closest('[data-in]')?.dataset.in.split(' ').includes(group));
  seconds = Math.max(0, ...videos.map(video => video.duration || 0));
  last = Math.max(0, Math.round(seconds * rate) - 1);
}

// The middle of a frame: at its edge, rounding may show the previous one.
function moment(video) {
  const ends = Math.max(0, (video.duration || 0) - 0.5 / rate);
  return Math.min((frame + 0.5) / rate, ends);
}

function show(at) {
  gather();
  frame = Math.min(Math.max(0, at), last);
  for (const video of videos) video.currentTime = moment(video);
  if (playing) start();
  paint();
}

function step(by) {
  pause();
  show(frame + by);
}

// Wall-clock time leads: no video waits for one that stalls, which is brought back in sync.
function start() {
  began = performance.now() - (frame + 0.5) / rate * 1000;
}

function play() {
  show(frame < last ? frame : 0);
  playing = true;
  start();
  for (const video of videos) {
    video.muted = muted;
    video.play().catch(() => {});
  }
  cancelAnimationFrame(turn);
  turn = requestAnimationFrame(tick);
  paint();
}

function pause() {
  playing = false;
  cancelAnimationFrame(turn);
  for (const video of videos) video.pause();
  paint();
}

function tick() {
  if (!playing) return;
  if (!videos.some(video => video.isConnected)) return pause(); // the output went away
  const now = (performance.now() - began) / 1000;
  if (seconds && now >= seconds) return end();
  frame = Math.min(last, Math.floor(now * rate));
  for (const video of videos) hold(video, now);
  paint();
  turn = requestAnimationFrame(tick);
}

// Corrects small differences by speed, large ones by a seek: seeking each time would stutter.
function hold(video, now) {
  if (video.seeking || video.ended || now >= video.duration) return;
  const off = now - video.currentTime;
  if (Math.abs(off) * rate > 8 * SLACK) video.currentTime = now;
  video.playbackRate = Math.abs(off) * rate < SLACK / 4 ? 1 : Math.min(1.5, Math.max(0.5, 1 + 4 * off));
  if (video.paused) video.play().catch(() => {});
}

function end() {
  for (const video of videos) video.playbackRate = 1;
  if (!loop) return void (pause(), show(last));
  show(0);
  play();
}

const button = (name, hint, act) =>
  make('button', {type: 'button', class: 'ipyreel-compare-button', title: hint, onclick: act}, name);
const go = button('Play', 'Play or pause all (space)', () => (playing ? pause() : play()));
const back = button('◀', 'One frame back (left arrow)', () => step(-1));
const next = button('▶', 'One frame on (right arrow)', () => step(1));
back.ariaLabel = 'One frame back';
next.ariaLabel = 'One frame on';
const mute = button('Sound', 'Sound on or off', () => {
  muted = !muted;
  for (const video of videos) video.muted = muted;
  paint();
});
const again = button('Loop', 'Start again at the end', () => { loop = !loop; paint(); });
const bar = make('input', {
  type: 'range', min: 0, step: 1, value: 0, class: 'ipyreel-compare-bar', 'aria-label': 'Frame of all videos',
  oninput: () => step(Number(bar.value) - frame),
});
const time = make('span', {class: 'ipyreel-compare-time'});
const which = make('select', {
  'aria-label': 'Videos to play', class: 'ipyreel-compare-button',
  onchange: () => { pause(); group = which.value; show(0); },
}, make('option', {value: ''}, 'All'));
for (const [at, name] of (groups?.split('\n') || []).entries()) which.append(make('option', {value: at}, name));

function paint() {
  go.textContent = playing ? 'Pause' : 'Play';
  mute.ariaPressed = !muted;
  again.ariaPressed = loop;
  bar.max = last;
  bar.value = frame;
  const at = `${(frame / rate).toFixed(2)} s`;
  bar.ariaValueText = `frame ${frame} of ${last}, ${at}`;
  time.textContent = `${at} · frame ${frame}/${last}`;
}

function keys(event) {
  const act = {ArrowLeft: () => step(-1), ArrowRight: () => step(1)}[event.key]
    || (event.key === ' ' && event.target === bar && (() => go.click()));
  if (!act || event.target === which || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  act();
}

// JupyterLab handles arrows and space itself, unless an ancestor opts out.
home.append(make('div', {
  class: 'ipyreel-compare', role: 'group', 'aria-label': 'All videos together',
  'data-lm-suppress-shortcuts': 'true', onkeydown: keys,
}, go, ...(groups ? [which] : []), back, next, bar, time, mute, again));
for (const type of ['pointerover', 'pointerout', 'focusin', 'focusout']) {
  place.addEventListener(type, ({target}) => {
    const shows = type === 'pointerover' || type === 'focusin' || target === document.activeElement;
    if (target.tagName === 'VIDEO' && !alone && !touch) target.controls = shows;
  });
}
new MutationObserver(gather).observe(place, {childList: true, subtree: true});
gather();
paint();
