// One bar for several videos. It is saved with the row of videos that stands above it, so that
// it is there without a kernel too; where scripts are not run, each video has its own controls.
// Comments and indents are not saved: a line here must not depend on them.

const SLACK = 1; // frames that a playing video may be off before it is put right

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function clock(seconds) {
  const whole = Math.floor(seconds);
  const rest = String(Math.floor((seconds - whole) * 100)).padStart(2, '0');
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}.${rest}`;
}

class Together {
  constructor(videos, rate, changed) {
    this.videos = videos;
    this.rate = rate;
    this.changed = changed;
    this.frame = 0;
    this.playing = false;
    this.loop = true;
    this.muted = true;
    for (const video of videos) {
      video.controls = false; // one bar for all
      video.muted = true;
      video.addEventListener('loadedmetadata', () => this.show(this.frame));
    }
  }

  get seconds() {
    return Math.max(0, ...this.videos.map(video => video.duration || 0));
  }

  get last() {
    return Math.max(0, Math.round(this.seconds * this.rate) - 1);
  }

  // The middle of a frame: at its edge, rounding may show the one before.
  moment(video, frame) {
    const ends = Math.max(0, (video.duration || 0) - 0.5 / this.rate);
    return Math.min((frame + 0.5) / this.rate, ends);
  }

  show(frame) {
    this.frame = Math.min(Math.max(0, frame), this.last);
    for (const video of this.videos) video.currentTime = this.moment(video, this.frame);
    if (this.playing) this.start();
    this.changed();
  }

  step(by) {
    this.pause();
    this.show(this.frame + by);
  }

  // The wall is the clock: a video that stalls is waited for by none and brought back in step.
  start() {
    this.began = performance.now() - (this.frame + 0.5) / this.rate * 1000;
  }

  play() {
    if (this.frame >= this.last) this.show(0);
    this.playing = true;
    this.start();
    for (const video of this.videos) video.play().catch(() => {});
    cancelAnimationFrame(this.turn);
    this.turn = requestAnimationFrame(() => this.tick());
    this.changed();
  }

  pause() {
    this.playing = false;
    cancelAnimationFrame(this.turn);
    for (const video of this.videos) video.pause();
    this.changed();
  }

  tick() {
    if (!this.playing) return;
    if (!this.videos.some(video => video.isConnected)) return this.pause(); // the output went away
    const now = (performance.now() - this.began) / 1000;
    if (now >= this.seconds) return this.end();
    this.frame = Math.min(this.last, Math.floor(now * this.rate));
    for (const video of this.videos) this.hold(video, now);
    this.changed();
    this.turn = requestAnimationFrame(() => this.tick());
  }

  // Small differences by speed, large ones by a jump: a jump each time would stutter.
  hold(video, now) {
    if (video.seeking || video.ended || now >= video.duration) return;
    const off = now - video.currentTime;
    if (Math.abs(off) * this.rate > 8 * SLACK) video.currentTime = now;
    video.playbackRate = Math.abs(off) * this.rate < SLACK / 4 ? 1 : Math.min(1.5, Math.max(0.5, 1 + 4 * off));
    if (video.paused) video.play().catch(() => {});
  }

  end() {
    for (const video of this.videos) video.playbackRate = 1;
    if (!this.loop) return void (this.pause(), this.show(this.last));
    this.show(0);
    this.play();
  }

  mute(muted) {
    this.muted = muted;
    for (const video of this.videos) video.muted = muted;
    this.changed();
  }
}

function stand(place) {
  const button = (name, hint, act) =>
    make('button', {type: 'button', class: 'ipyreel-compare-button', title: hint, onclick: act}, name);
  const play = button('Play', 'Play or pause all (space)', () => (all.playing ? all.pause() : all.play()));
  const back = button('◀', 'One frame back (left arrow)', () => all.step(-1));
  const next = button('▶', 'One frame on (right arrow)', () => all.step(1));
  back.setAttribute('aria-label', 'One frame back');
  next.setAttribute('aria-label', 'One frame on');
  const mute = button('Sound', 'Sound on or off', () => all.mute(!all.muted));
  const loop = button('Loop', 'Start again at the end', () => { all.loop = !all.loop; paint(); });
  const bar = make('input', {
    type: 'range', min: 0, step: 1, value: 0, class: 'ipyreel-compare-bar', 'aria-label': 'Frame of all videos',
    oninput: () => all.step(Number(bar.value) - all.frame),
  });
  const time = make('span', {class: 'ipyreel-compare-time'});
  const paint = () => {
    play.textContent = all.playing ? 'Pause' : 'Play';
    mute.setAttribute('aria-pressed', String(!all.muted));
    loop.setAttribute('aria-pressed', String(all.loop));
    bar.max = all.last;
    bar.value = all.frame;
    bar.setAttribute('aria-valuetext', `frame ${all.frame} of ${all.last}, ${clock(all.frame / all.rate)}`);
    time.textContent = `${clock(all.frame / all.rate)} · frame ${all.frame}/${all.last}`;
  };
  const keys = event => {
    const act = {ArrowLeft: () => all.step(-1), ArrowRight: () => all.step(1)}[event.key]
      || (event.key === ' ' && event.target === bar && (() => play.click()));
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };
  // JupyterLab uses arrows and space itself, unless an ancestor says not to.
  place.append(make('div', {
    class: 'ipyreel-compare', role: 'group', 'aria-label': 'All videos together',
    'data-lm-suppress-shortcuts': 'true', onkeydown: keys,
  }, play, back, next, bar, time, mute, loop));
  const all = new Together([...place.querySelectorAll('video')], Number(place.dataset.rate), paint);
  paint();
  return all;
}

const together = stand(document.currentScript.parentElement);
