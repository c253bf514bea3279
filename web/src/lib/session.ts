import { computed, signal } from '@preact/signals';
import { ApiProblem, api, asProblem, whenSignedOut } from './api.ts';
import type { Role, Session } from './contract.ts';

/** `undefined`: not asked yet; `null`: nobody is signed in. */
export const session = signal<Session | null | undefined>(undefined);
/** Why one has to sign in again, where there is something to say. */
export const signInNote = signal('');

const rank: Readonly<Record<Role, number>> = { view: 0, operate: 1, admin: 2 };

export const role = computed<Role>(() => session.value?.role ?? 'view');
export const mayOperate = computed(() => rank[role.value] >= rank.operate);
export const mayAdmin = computed(() => rank[role.value] >= rank.admin);

whenSignedOut(() => {
  if (!session.value) return;
  signInNote.value = 'You were signed out. Sign in again to go on.';
  session.value = null;
});

/**
 * Finds out who is signed in. A token in the address, as the link of `npm start` has it, signs in first; it is taken out of the address
 * bar and the history before anything else is done.
 */
export async function beginSession(): Promise<void> {
  const token = takeToken();
  if (token !== null) {
    await signIn(token).catch((error: unknown) => {
      signInNote.value = error instanceof ApiProblem ? error.message : String(error);
      session.value = null;
    });
    return;
  }
  try {
    session.value = await api<Session>('GET', '/session');
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 0)
      signInNote.value = `${error.title}. ${error.message}`;
    session.value = null;
  }
}

/** @throws ApiProblem when the token is not the right one */
export async function signIn(token: string): Promise<void> {
  session.value = await api<Session>('POST', '/session', { token: token.trim() });
  signInNote.value = '';
}

/** Ends the session here, and then on the service; when that does not answer, the session ends there by itself some time. */
export async function signOut(): Promise<void> {
  // First what listens: it would be told that it was cut off.
  session.value = undefined;
  try {
    await api('DELETE', '/session');
    signInNote.value = 'You are signed out.';
  } catch (error) {
    const { title } = asProblem(error);
    signInNote.value = `${title}: the session could not be ended there. Close this browser, and try again later.`;
  }
  session.value = null;
}

function takeToken(): string | null {
  if (!location.hash.startsWith('#token=')) return null;
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  history.replaceState(null, '', location.pathname);
  return token;
}
