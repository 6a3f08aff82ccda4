// The theme that was chosen, or the system's: set before the first paint, so this is a plain script and no module.
// `?theme=dark` chooses for one visit; `window.theme` is how the page reads and changes it.
(() => {
  const system = matchMedia('(prefers-color-scheme: dark)');
  let wanted = new URLSearchParams(location.search).get('theme') ?? localStorage.getItem('theme') ?? 'auto';

  function apply() {
    const dark = wanted === 'dark' || (wanted !== 'light' && system.matches);
    document.documentElement.dataset.theme = dark ? 'dark' : 'light';
    dispatchEvent(new Event('theme'));
  }

  window.theme = {
    get wanted() {
      return wanted;
    },
    set wanted(value) {
      wanted = value;
      localStorage.setItem('theme', value);
      apply();
    },
  };
  system.addEventListener('change', apply);
  apply();
})();
