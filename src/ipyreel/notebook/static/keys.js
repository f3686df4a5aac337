// Runs when the style sheet that has it as `onload` is loaded: `this` is that <style>. Widgets
// have no keydown event, so this is the only place that handles keys.
const panel = this.closest('.ipyreel-panel');
if (panel && !panel.dataset.keys) {
  panel.dataset.keys = 'heard';
  // JupyterLab handles Enter and the arrows itself while a button or a list has the focus.
  panel.addEventListener('focusin', ({target}) => {
    if (!target.matches('textarea, input')) target.setAttribute('data-lm-suppress-shortcuts', 'true');
  });
  panel.addEventListener('keydown', event => {
    const sends = event.key === 'Enter' && (event.ctrlKey || event.metaKey);
    if (!sends || !event.target.closest('.ipyreel-sends')) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) panel.querySelector('.ipyreel-submit')?.click();
  }, true);
}
