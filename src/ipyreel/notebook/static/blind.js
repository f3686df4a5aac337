// Appended to compare.js for judging: nothing on the page may show which video is which, not even
// the name of a file, which contains the prompt.

function hide(video) {
  const take = async () => {
    const src = video.getAttribute('src');
    if (!src || /^(blob|data):/.test(src)) return;
    video.removeAttribute('src');
    const reply = await fetch(src).catch(() => null);
    if (!reply?.ok) watch.disconnect();
    video.src = reply?.ok ? URL.createObjectURL(await reply.blob()) : src;
  };
  // JupyterLab sets the address once it has resolved it; other front ends do not change it.
  const watch = new MutationObserver(take);
  watch.observe(video, {attributes: true, attributeFilter: ['src']});
  video.addEventListener('loadedmetadata', take);
}

const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
let begun = still;
function begin() {
  if (begun || !videos.every(video => video.isConnected && video.readyState >= 2)) return;
  begun = true;
  play();
}

for (const video of videos) {
  hide(video);
  // Each video first seeks to its first frame, and may be ready only after that.
  video.addEventListener('canplay', begin);
}
// This runs before the output is on the page.
new IntersectionObserver(begin).observe(videos[0]);

const painted = paint;
paint = () => {
  painted();
  const gone = videos.filter(video => !video.isConnected && video.src.startsWith('blob:'));
  for (const video of gone) {
    URL.revokeObjectURL(video.src);
    video.removeAttribute('src');
    video.load();
  }
};
