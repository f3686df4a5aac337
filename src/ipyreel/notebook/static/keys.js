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
  // A click overtakes text that the page has not sent yet: it waits until the kernel knows it.
  const isLate = ({firstElementChild: field, lastElementChild: copy}) => {
    const text = field.querySelector('textarea, input').value;
    // As the kernel writes it: see `clean` in job_text.py.
    const known = (text.toWellFormed?.() ?? text).replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u202d\u202e]/g, '\ufffd');
    return known !== copy.querySelector('[data-text]')?.dataset.text;
  };
  const late = () => [...panel.querySelectorAll('.ipyreel-typed')].some(isLate);
  let wait;
  panel.addEventListener('click', event => {
    const submit = event.target.closest('.ipyreel-submit');
    const again = event.detail > 1;  // the second click of a double click would buy a second video
    if (!submit || !(again || late())) return;
    event.stopImmediatePropagation();
    if (again) return;
    clearInterval(wait);
    wait = setInterval(() => {
      if (late()) return;
      clearInterval(wait);
      submit.click();
    }, 50);
  }, true);
  // What is typed after the click is not what was to be sent.
  panel.addEventListener('input', () => clearInterval(wait), true);
}
