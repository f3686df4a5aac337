// Appended to compare.js and blind.js on a page that asks for votes: shows one pair after another,
// and offers the votes as a file. Nothing is sent anywhere.

const {title, sets, goal: most, id} = home.dataset;
const pairs = JSON.parse(sets);
const goal = Math.min(most, pairs.length);
const KEYS = {ArrowLeft: 'left', ArrowRight: 'right', ArrowDown: 'tie', u: 'undo', U: 'undo', ' ': 'play'};

// A reader who reopens the page continues where they were. Some browsers store nothing for files.
const saved = {
  name: `ipyreel-votes-${id}`,
  read() {
    try { return JSON.parse(localStorage.getItem(this.name)) || {}; } catch { return {}; }
  },
  write(value) {
    try { localStorage.setItem(this.name, JSON.stringify(value)); } catch { /* kept in the page only */ }
  },
};

// Each reader begins at another place in the same balanced order, so that all pairs are seen.
const state = {who: '', first: Math.floor(Math.random() * pairs.length), votes: [], ...saved.read()};
const films = new Map();
let asked = null;

function hex(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), one => one.toString(16).padStart(2, '0')).join('');
}

function ask() {
  saved.write(state);
  const count = state.votes.length;
  const done = count >= goal;
  asked = done ? null : pairs[(state.first + count) % pairs.length];
  pause();
  frame = 0;
  begun = still;
  if (asked) videos.forEach((video, side) => { video.src = films.get(asked[side]); });
  for (const part of home.querySelectorAll('.ipyreel-shown, [role=group]')) part.hidden = done;
  for (const button of Object.values(answers)) button.disabled = done;
  undo.disabled = count === 0;
  save.disabled = count === 0;
  status.textContent = done
    ? `Done: ${count} votes. Save them, and send the file to whoever sent you this page.`
    : `${count} of ${goal} votes. Which video is better?`;
}

function vote(winner) {
  if (!asked) return;
  const [left, right] = asked;
  state.votes.push({id: hex(12), left, right, winner, at: Date.now() / 1000, balanced: true});
  ask();
}

function takeBack() {
  state.votes.pop();
  ask();
}

function download() {
  const who = name.value.trim();
  if (!who) {
    status.textContent = 'Enter your name first.';
    return name.focus();
  }
  const data = {format: title, votes: state.votes.map(one => ({...one, who})), ratings: []};
  const url = URL.createObjectURL(new Blob([JSON.stringify(data, null, 1)], {type: 'application/json'}));
  make('a', {href: url, download: `votes-${who.replace(/[^\p{L}\p{N}]+/gu, '-')}.json`}).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

function answer(text, hint, act) {
  const made = button(text, hint, act);
  made.classList.add('ipyreel-answer');
  return made;
}

const answers = {
  left: answer('← Left', 'The left video is better', () => vote('left')),
  tie: answer('↓ Tie', 'Both are equally good', () => vote('tie')),
  right: answer('Right →', 'The right video is better', () => vote('right')),
};
const undo = answer('Undo', 'Take your last vote back (U)', takeBack);
const save = answer('Save votes', 'Download your votes as a file', download);
const status = make('p', {role: 'status', 'aria-live': 'polite'});
const name = make('input', {
  type: 'text', maxlength: 100, autocomplete: 'name', value: state.who,
  oninput: () => saved.write({...state, who: state.who = name.value}),
});

document.addEventListener('keydown', event => {
  const what = KEYS[event.key];
  if (!what || event.ctrlKey || event.metaKey || event.altKey || event.target.matches('input, summary, video')) return;
  if (what === 'play' && event.target.closest('button')) return;
  event.preventDefault();
  event.stopPropagation();
  if (event.repeat) return;
  if (what === 'play') go.click();
  else if (what === 'undo') takeBack();
  else vote(what);
}, true);

// The videos are below this script.
document.addEventListener('DOMContentLoaded', () => {
  for (const film of document.querySelectorAll('video[data-video]')) films.set(film.dataset.video, film.src);
  home.append(
    make('div', {class: 'ipyreel-compare'}, ...Object.values(answers), undo),
    status,
    make('div', {class: 'ipyreel-compare'}, make('label', {}, 'Your name ', name), save),
  );
  ask();
});
