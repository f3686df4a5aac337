// Runs when the style sheet it hangs on is loaded: `this` is that <style>. Widgets have no
// keydown, so this is the one place where keys are heard.
const panel = this.closest('.ipyreel-panel');
if (panel && !panel.dataset.keys) {
  panel.dataset.keys = 'heard';
  // JupyterLab takes Enter and the arrows for its own while a button or a list has the focus.
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
