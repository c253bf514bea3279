import { computed, signal } from '@preact/signals';

/**
 * Where one is, in the part of the address after `#`: `#/studies/1.2.3?tab=receipts`. The service need not know the screens, and a link to
 * one works behind any proxy.
 */
export interface Place {
  /** Without the leading slash; decoded. Empty at home. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

// A token is no place; it is taken out of the address when one is signed in with it.
const hash = signal(location.hash.startsWith('#token=') ? '' : location.hash);
window.addEventListener('hashchange', () => {
  // A link with a token that is opened in a tab that is open already.
  if (location.hash.startsWith('#token=')) location.reload();
  else hash.value = location.hash;
});

export const place = computed<Place>(() => {
  const [path = '', query = ''] = hash.value.replace(/^#?\/?/, '').split('?', 2);
  return { parts: path === '' ? [] : path.split('/').map(decoded), query: new URLSearchParams(query) };
});

/** The address of a screen, for links. */
export function to(
  parts: readonly string[],
  query: Readonly<Record<string, string | undefined>> = {},
): string {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query))
    if (value !== undefined && value !== '') words.set(name, value);
  const tail = words.toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${tail === '' ? '' : `?${tail}`}`;
}

/** @param replace true: the way back leads to the screen before, not to this one as it was */
export function go(address: string, replace = false): void {
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  hash.value = location.hash;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // A percent sign typed by hand.
    return part;
  }
}
