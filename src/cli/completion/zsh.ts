import { quoted } from './bash.ts';
import type { CompletedCommand, CompletedOption, Words } from './tree.ts';

/** The script that zsh reads; words come with what they mean. */
export function zshCompletion(commands: readonly CompletedCommand[], ask: string): string {
  return `#compdef dde
# Completion of dde for zsh; made by "dde completion zsh".

typeset -gA _dde_names _dde_at

_dde_ask() {
  # An answer is good for a while: asking takes most of a second.
  if [[ -z \${_dde_at[$1]} ]] || (( SECONDS - _dde_at[$1] > 15 )); then
    _dde_names[$1]="$(${ask} __complete $1 2>/dev/null)"
    _dde_at[$1]=$SECONDS
  fi
  compadd -- \${(f)_dde_names[$1]}
}

_dde_run() {
  local line state
  typeset -A opt_args
  case $1 in
${commands.map(commandCase).join('\n')}
  esac
}

_dde() {
  _dde_run ''
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _dde "$@"; else compdef _dde dde; fi
`;
}

function commandCase({ path, commands, options, args }: CompletedCommand): string {
  const specs = [
    ...options.flatMap(optionSpecs),
    ...(commands.length > 0 ? [`'1:command:->command'`, `'*::argument:->argument'`] : args.map(argumentSpec)),
  ];
  const lines = [
    `    ${quoted(path)})`,
    `      _arguments -C ${specs.map((spec) => `\\\n        ${spec}`).join(' ')}`,
  ];
  if (commands.length > 0) {
    const described = commands.map(({ name, summary }) => quoted(`${name}:${summary}`));
    lines.push(
      '      case $state in',
      `        command) local -a found=(${described.map((one) => `\n          ${one}`).join('')}\n        ); _describe command found ;;`,
      `        argument) _dde_run "${path === '' ? '' : `${path} `}$line[1]" ;;`,
      '      esac',
    );
  }
  return [...lines, '      ;;'].join('\n');
}

function optionSpecs({ long, short, description, value, variadic }: CompletedOption): readonly string[] {
  const names = [long, ...(short === null ? [] : [short])];
  const others = names.length > 1 ? `(${names.join(' ')})` : '';
  return names.map((name) => {
    const words = value === null ? '' : `:${variadic ? 'values' : 'value'}:${action(value)}`;
    return quoted(`${others}${name}[${description.replaceAll(/[[\]\\:]/g, '\\$&')}]${words}`);
  });
}

function argumentSpec({ words, variadic }: CompletedCommand['args'][number]): string {
  return quoted(`${variadic ? '*' : ''}:argument:${action(words)}`);
}

function action(words: Words): string {
  switch (words.kind) {
    case 'files':
      return '_files';
    case 'farm':
      return `{_dde_ask ${words.name}}`;
    case 'choices':
      return `(${words.choices.map((one) => one.replaceAll(':', '\\:')).join(' ')})`;
    case 'unknown':
      return ' ';
  }
}
