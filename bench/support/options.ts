/** A whole number as an option has it. @throws Error that names the option and says what would be right */
export function whole(name: string, text: string, least = 1): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least)
    throw new Error(`--${name} must be a whole number from ${least}, not ${text}`);
  return value;
}

/** Whether `--nagle` says that senders switch Nagle's algorithm off. @throws Error when it says anything else */
export function isNagleOff(text: string): boolean {
  if (text === 'off' || text === 'on') return text === 'off';
  throw new Error(`--nagle must be off or on, not ${text}`);
}
