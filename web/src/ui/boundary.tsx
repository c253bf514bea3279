import { Component, type ComponentChildren } from 'preact';
import { asProblem } from '../lib/api.ts';
import { Trouble } from './parts.tsx';

/** A screen that makes a mistake says so; the others, and the way to them, stay. */
export class Boundary extends Component<{ children: ComponentChildren }, { error: unknown }> {
  static override getDerivedStateFromError(error: unknown): { error: unknown } {
    return { error };
  }
  override state: { error: unknown } = { error: null };
  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <div class="stack">
        <Trouble problem={asProblem(this.state.error)} />
        <p>
          <button type="button" onClick={() => location.reload()}>
            Load the page anew
          </button>
        </p>
      </div>
    );
  }
}
