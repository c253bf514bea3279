import { useEffect, useState } from 'preact/hooks';
import { useAction } from './lib/load.ts';
import { signIn, signInNote } from './lib/session.ts';
import { Text } from './ui/field.tsx';
import { Trouble } from './ui/parts.tsx';

export function Login() {
  const [token, setToken] = useState('');
  const { busy, problem, run } = useAction();
  useEffect(() => {
    document.title = 'Sign in · dynamic-dicom-endpoints';
  }, []);
  return (
    <main class="alone">
      <form
        class="card login"
        onSubmit={(event) => {
          event.preventDefault();
          run(() => signIn(token));
        }}
      >
        <p class="brand">
          <span class="mark" aria-hidden="true" />
          dynamic-dicom-endpoints
        </p>
        <h1>Sign in</h1>
        {signInNote.value !== '' && (
          <p class="note" role="status">
            {signInNote.value}
          </p>
        )}
        <Text
          label="Token"
          type="password"
          value={token}
          onValue={setToken}
          required
          autocomplete="current-password"
          hint="An administrator makes one with “dde tokens create”. The first one stands in the file admin-token of the state folder, and in the link that npm start prints."
        />
        <Trouble
          problem={problem}
          {...(problem?.status === 401 ? { title: 'This token does not work' } : {})}
        />
        <button class="primary" disabled={busy || token.trim() === ''}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
    </main>
  );
}
