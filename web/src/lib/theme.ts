import { effect, signal } from '@preact/signals';

export type Theme = 'system' | 'light' | 'dark';
const key = 'dde-theme';

export const theme = signal<Theme>(stored());

effect(() => {
  if (theme.value === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.value;
});

export function setTheme(value: Theme): void {
  theme.value = value;
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing: the choice holds for as long as the page is open.
  }
}

const dark = matchMedia('(prefers-color-scheme: dark)');
/** Whether it is dark now; charts are drawn anew by it. */
export const isDark = signal(false);
effect(() => {
  isDark.value = theme.value === 'dark' || (theme.value === 'system' && dark.matches);
});
dark.addEventListener('change', () => {
  if (theme.peek() === 'system') isDark.value = dark.matches;
});

function stored(): Theme {
  try {
    const value = localStorage.getItem(key);
    return value === 'light' || value === 'dark' ? value : 'system';
  } catch {
    // As above.
    return 'system';
  }
}
