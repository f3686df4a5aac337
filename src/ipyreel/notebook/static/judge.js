// The keys of `%video judge`. Where this module is not loaded, the buttons do the same.

const KEYS = {
  ArrowLeft: 'left', ArrowRight: 'right', ArrowDown: 'tie', u: 'undo', U: 'undo', ' ': 'play',
};

function connected(el) {
  return new Promise(done => {
    const look = () => (el.isConnected ? done() : setTimeout(look, 50));
    look();
  });
}

// Take the focus only if the user ran this cell alone. After "Run All" the keys still move from
// cell to cell.
function wantsKeys(panel) {
  const focus = document.activeElement;
  const cell = panel.closest('.jp-Cell'), active = focus?.closest('.jp-Cell');
  const writes = focus?.matches('input, textarea, select, [contenteditable=true]');
  return cell && active && !writes && [cell, cell.nextElementSibling].includes(active);
}

function listen(panel, model) {
  const press = event => {
    const what = KEYS[event.key];
    const native = event.target.matches('input') || (what === 'play' && event.target.closest('button'));
    const other = event.ctrlKey || event.metaKey || event.altKey || (event.shiftKey && what !== 'undo');
    const turn = Number(panel.querySelector('[data-turn]')?.dataset.turn);
    if (!what || native || other || !turn) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.repeat) return;
    if (what === 'play') return void panel.querySelector('.ipyreel-compare-button')?.click();
    panel.focus({preventScroll: true}); // what has the focus may go with this pair
    model.send({key: what, turn}); // of the pair that was seen
  };
  // A clicked button keeps the focus, and space would press it again.
  const click = event => {
    if (event.detail && event.target.closest('button')) panel.focus({preventScroll: true});
  };
  panel.addEventListener('keydown', press, true);
  panel.addEventListener('click', click);
  return () => {
    panel.removeEventListener('keydown', press, true);
    panel.removeEventListener('click', click);
  };
}

function render({model, el}) {
  let gone = false, stop = () => {};
  connected(el).then(() => {
    const panel = el.closest('.ipyreel-judge');
    if (gone || !panel) return;
    panel.tabIndex = 0;
    panel.setAttribute('role', 'group');
    panel.setAttribute('aria-label', 'Which video is better?');
    // JupyterLab handles the arrows itself, unless an ancestor opts out.
    panel.setAttribute('data-lm-suppress-shortcuts', 'true');
    stop = listen(panel, model);
    if (wantsKeys(panel)) panel.focus({preventScroll: true});
    model.send({key: 'here'});
  });
  return () => {
    gone = true;
    stop();
  };
}

export default {render};
