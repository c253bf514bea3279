/** Names and values, as in an environment; a value that is empty counts as not set, as in the shell's `:-`. */
export type Variables = Readonly<Record<string, string | undefined>>;

/**
 * Variables whose name begins so belong to the running farm: the generated files read them when an Orthanc starts, so
 * their value of this moment must not be written into a file that is committed.
 */
export const farmPrefix = 'DDE_';

/** `orthanc-1` → `DDE_ORTHANC_1`: the beginning of the names of an Orthanc's variables, `…_URL` and `…_PASSWORD`. */
export function farmVariable(name: string): string {
  return `${farmPrefix}${name.toUpperCase().replaceAll('-', '_')}`;
}

export type Substitution =
  | { readonly ok: true; readonly text: string }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Replaces `${NAME}` and `${NAME:-default}`, the same two forms that Orthanc knows in its own configuration. The result is
 * not looked at again, so a value cannot bring in other variables.
 */
export function substitute(
  text: string,
  lookUp: (name: string, hasDefault: boolean) => string | undefined,
): Substitution {
  const problems: string[] = [];
  const replaced = text.replace(/\$\{([^}]*)(\}?)/g, (whole, inner: string, close: string) => {
    const [, name, fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(inner) ?? [];
    if (name === undefined || close === '') {
      problems.push(`"${whole}" is no variable: write \${NAME} or \${NAME:-default}`);
      return '';
    }
    const value = lookUp(name, fallback !== undefined);
    if (value !== undefined && value !== '') return value;
    if (fallback === undefined)
      problems.push(`the variable ${name} is not set: set it, or write \${${name}:-default}`);
    return fallback ?? '';
  });
  return problems.length === 0 ? { ok: true, text: replaced } : { ok: false, problems };
}
