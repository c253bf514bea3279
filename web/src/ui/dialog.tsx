import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { useAction } from '../lib/load.ts';
import { Trouble } from './parts.tsx';

/**
 * Asks before something is done: what will happen stands in it, the button says what it does. It stays open, with the problem in it, when
 * that does not work.
 */
export function Ask(props: {
  title: string;
  /** What the button says: a verb. */
  verb: string;
  danger?: boolean;
  /** False: something is missing, it cannot be done yet. */
  ready?: boolean;
  act: () => Promise<unknown>;
  onClose: (done: boolean) => void;
  children?: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { busy, problem, run } = useAction();
  useEffect(() => {
    // Native: the rest of the page cannot be reached, Escape closes it, focus returns to where it was.
    dialog.current?.showModal();
  }, []);
  const submit = (event: Event): void => {
    event.preventDefault();
    run(async () => {
      await props.act();
      dialog.current?.close('done');
    });
  };
  return (
    <dialog
      ref={dialog}
      aria-labelledby="ask-title"
      onClose={() => props.onClose(dialog.current?.returnValue === 'done')}
    >
      <form onSubmit={submit}>
        <h2 id="ask-title">{props.title}</h2>
        <div class="ask-body">{props.children}</div>
        <Trouble problem={problem} />
        <div class="ask-buttons">
          <button type="button" class="quiet" onClick={() => dialog.current?.close('')}>
            Cancel
          </button>
          <button
            type="submit"
            class={props.danger === true ? 'danger' : 'primary'}
            disabled={busy || props.ready === false}
          >
            {busy ? 'Working…' : props.verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}
