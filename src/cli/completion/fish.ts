import type { CompletedCommand, CompletedOption, Words } from './tree.ts';

/** The script that fish reads; words come with what they mean. */
export function fishCompletion(commands: readonly CompletedCommand[], ask: string): string {
  const paths = commands.filter(({ path }) => path !== '').map(({ path }) => quoted(path));
  const valued = new Set(
    commands.flatMap(({ options }) =>
      options
        .filter(({ value }) => value !== null)
        .flatMap(({ long, short }) => [long, ...(short === null ? [] : [short])]),
    ),
  );
  return `# Completion of dde for fish; made by "dde completion fish".

function __dde_ask
    ${ask} __complete $argv[1] 2>/dev/null
end

# Succeeds when the words so far are this command, with so many arguments behind it (none said: any number).
function __dde_at
    set -l path ''
    set -l count 0
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word ${[...valued].map(quoted).join(' ')}
            set skip 1
        else if string match -q -- '-*' $word
            continue
        else
            set -l longer (string trim "$path $word")
            if test $count = 0; and contains -- $longer ${paths.join(' ')}
                set path $longer
            else
                set count (math $count + 1)
            end
        end
    end
    test "$path" = "$argv[1]"; or return 1
    test (count $argv) = 1; or test $count -ge $argv[2]; or return 1
    test (count $argv) -lt 3; or test $count -le $argv[3]
end

complete -c dde -f
${commands.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, commands, options, args }: CompletedCommand): readonly string[] {
  return [
    ...commands.map(({ name, summary }) => `${when(path, '0 0')} -a ${quoted(name)} -d ${quoted(summary)}`),
    ...options.map((option) => optionLine(path, option)),
    ...args.map(({ words, variadic }, index) =>
      `${when(path, `${index} ${variadic ? 1_000_000 : index}`)} ${wordsText(words)}`.trimEnd(),
    ),
  ];
}

function optionLine(path: string, { long, short, description, value }: CompletedOption): string {
  const names = [
    `-l ${long.replace(/^--/, '')}`,
    ...(short === null ? [] : [`-s ${short.replace(/^-/, '')}`]),
  ];
  const words = value === null ? '' : ` -r ${wordsText(value)}`.trimEnd();
  return `${when(path)} ${names.join(' ')}${words} -d ${quoted(description)}`;
}

function when(path: string, counts = ''): string {
  return `complete -c dde -n ${quoted(`__dde_at ${quoted(path)}${counts === '' ? '' : ` ${counts}`}`)}`;
}

function wordsText(words: Words): string {
  switch (words.kind) {
    case 'files':
      return '-F';
    case 'farm':
      return `-a ${quoted(`(__dde_ask ${words.name})`)}`;
    case 'choices':
      return `-a ${quoted(words.choices.join(' '))}`;
    case 'unknown':
      return '';
  }
}

/** As one word of fish, whatever is in it: inside single quotes only these two mean something. */
function quoted(text: string): string {
  return `'${text.replaceAll(/['\\]/g, '\\$&')}'`;
}
