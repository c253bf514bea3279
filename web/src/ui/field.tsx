import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

interface FieldProps {
  label: string;
  hint?: string;
  value: string;
  onValue: (value: string) => void;
}

export function Text({
  label,
  hint,
  value,
  onValue,
  type = 'text',
  ...more
}: FieldProps & {
  type?: 'text' | 'password' | 'number' | 'datetime-local' | 'search' | 'url';
  placeholder?: string;
  required?: boolean;
  min?: number;
  max?: number;
  step?: number | 'any';
  autocomplete?: string;
}) {
  const id = useId();
  // By name: the library's types know each type of input apart, which one that is only known later cannot meet.
  const attributes: Record<string, unknown> = {
    id,
    type,
    value,
    spellcheck: false,
    autocomplete: 'off',
    'aria-describedby': hint === undefined ? undefined : `${id}-hint`,
    onInput: ({ currentTarget }: { currentTarget: HTMLInputElement }) => onValue(currentTarget.value),
    ...more,
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input {...attributes} />
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function Select({
  label,
  hint,
  value,
  onValue,
  options,
}: FieldProps & { options: readonly (readonly [value: string, text: string])[] }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        aria-describedby={hint === undefined ? undefined : `${id}-hint`}
        onChange={(event) => onValue(event.currentTarget.value)}
      >
        {options.map(([one, text]) => (
          <option key={one} value={one} selected={one === value}>
            {text}
          </option>
        ))}
      </select>
      {hint !== undefined && (
        <p class="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  );
}

export function Tick({
  checked,
  onValue,
  children,
}: {
  checked: boolean;
  onValue: (checked: boolean) => void;
  children: ComponentChildren;
}) {
  return (
    <label class="tick">
      <input type="checkbox" checked={checked} onChange={(event) => onValue(event.currentTarget.checked)} />
      <span>{children}</span>
    </label>
  );
}

/** One of a few, all of them seen. */
export function Choices<T extends string>({
  label,
  value,
  options,
  onValue,
}: {
  label: string;
  value: T;
  options: readonly (readonly [value: T, text: string])[];
  onValue: (value: T) => void;
}) {
  return (
    <div class="choices" role="group" aria-label={label}>
      {options.map(([one, text]) => (
        <button key={one} type="button" aria-pressed={one === value} onClick={() => onValue(one)}>
          {text}
        </button>
      ))}
    </div>
  );
}
