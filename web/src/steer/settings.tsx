import { Text } from '../ui/field.tsx';

/** What is typed about a backend; empty: not said. */
export interface Draft {
  readonly url: string;
  readonly publicUrl: string;
  readonly username: string;
  readonly password: string;
  readonly lanes: string;
  readonly disk: string;
}

export const emptyDraft: Draft = { url: '', publicUrl: '', username: '', password: '', lanes: '', disk: '' };

/** Only what was said; the service checks the rest and says all mistakes at once. */
export function bodyOf(draft: Draft): Record<string, unknown> {
  const said = Object.entries(draft).filter(([, value]: [string, string]) => value.trim() !== '');
  return Object.fromEntries(
    said.map(([name, value]: [string, string]) => [name, name === 'lanes' ? Number(value) : value.trim()]),
  );
}

export function Settings({
  draft,
  set,
  isNew,
}: {
  draft: Draft;
  set: (draft: Draft) => void;
  isNew: boolean;
}) {
  const field = (name: keyof Draft) => ({
    value: draft[name],
    onValue: (value: string) => set({ ...draft, [name]: value }),
  });
  return (
    <div class="fields">
      <Text
        label="Address (HTTP)"
        {...field('url')}
        placeholder={isNew ? 'http://pacs-3:8042' : 'as it is'}
        hint="How the service and the fronts reach it."
        required={isNew}
      />
      <Text
        label="Address for people"
        {...field('publicUrl')}
        placeholder={isNew ? 'the same' : 'as it is'}
        hint="Where a browser finds its Orthanc Explorer."
      />
      <Text label="User" {...field('username')} placeholder={isNew ? 'orthanc' : 'as it is'} />
      <Text
        label="Password"
        type="password"
        {...field('password')}
        placeholder={isNew ? '' : 'as it is'}
        autocomplete="new-password"
        hint="Kept in a file of its own, never in the topology."
      />
      <Text
        label="Lanes"
        type="number"
        min={1}
        max={64}
        {...field('lanes')}
        placeholder={isNew ? 'as by default' : 'as it is'}
      />
      <Text
        label="Disk its images may fill"
        {...field('disk')}
        placeholder={isNew ? 'no limit' : 'as it is'}
        hint="Such as 2 TB."
      />
    </div>
  );
}
