import { LogLevel } from './log-level.tsx';
import { Tokens } from './tokens.tsx';

/** Who may use the service, and how much it writes into its log. For administrators. */
export function AccessScreen() {
  return (
    <>
      <div class="head">
        <div>
          <h1>Access</h1>
          <p class="note">
            Every person and every program gets a token of its own: so the audit list says who it was.
          </p>
        </div>
      </div>
      <Tokens />
      <LogLevel />
    </>
  );
}
