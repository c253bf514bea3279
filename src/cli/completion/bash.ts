import type { CompletedCommand, Words } from './tree.ts';

/** The script that bash reads: every word it knows stands in it, only names of the farm are asked for. */
export function bashCompletion(commands: readonly CompletedCommand[], ask: string): string {
  return `# Completion of dde for bash; made by "dde completion bash".

# Leaves the names in the variable _dde_names_KIND. An answer is good for a while: asking takes most of a second.
_dde_ask() {
  local at="_dde_at_$1" names="_dde_names_$1"
  if [[ -z \${!at:-} ]] || (( SECONDS - \${!at} > 15 )); then
    printf -v "$names" '%s' "$(${ask} __complete "$1" 2>/dev/null)"
    printf -v "$at" '%s' "$SECONDS"
  fi
}

_dde_fill() {
  case $1 in
    files) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
    @*)
      local names="_dde_names_\${1#@}"
      _dde_ask "\${1#@}"
      mapfile -t COMPREPLY < <(compgen -W "\${!names}" -- "$cur")
      ;;
    =*) mapfile -t COMPREPLY < <(compgen -W "\${1#=}" -- "$cur") ;;
  esac
}

# What may stand behind a command: sets commands, options, args.
_dde_command() {
  commands='' options='' args=()
  case $1 in
${commands.map(commandCase).join('\n')}
  esac
}

# What may stand behind an option of a command; fails for one that takes no value.
_dde_value() {
  case $1 in
${commands.flatMap(valueCases).join('\n')}
    *) return 1 ;;
  esac
}

_dde() {
  local cur=\${COMP_WORDS[COMP_CWORD]} path='' count=0 waiting='' value commands options args i word
  COMPREPLY=()
  [[ $cur == '=' ]] && cur=''
  _dde_command ''
  for (( i = 1; i < COMP_CWORD; i++ )); do
    word=\${COMP_WORDS[i]}
    case $word in
      =) ;;
      -*)
        waiting=''
        value=$(_dde_value "$path $word") && waiting=$value
        ;;
      *)
        if [[ $waiting == +* ]]; then continue; fi
        if [[ -n $waiting ]]; then waiting=''; continue; fi
        if [[ " $commands " == *" $word "* ]] && (( count == 0 )); then
          path="\${path:+$path }$word"
          _dde_command "$path"
        else
          (( count++ ))
        fi
        ;;
    esac
  done
  if [[ $cur == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
  elif [[ -n $waiting ]]; then
    _dde_fill "\${waiting#[+.]}"
  elif [[ -n $commands ]] && (( count == 0 )); then
    mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
  elif (( \${#args[@]} > 0 )); then
    # The last argument may stand for all that follow.
    local last=$(( \${#args[@]} - 1 ))
    local kind=\${args[count < last ? count : last]}
    if (( count <= last )) || [[ $kind == +* ]]; then _dde_fill "\${kind#[+.]}"; fi
  fi
}

complete -F _dde dde
`;
}

function commandCase({ path, commands, options, args }: CompletedCommand): string {
  const set = [
    commands.length === 0 ? null : `commands=${quoted(commands.map(({ name }) => name).join(' '))}`,
    options.length === 0 ? null : `options=${quoted(options.map(({ long }) => long).join(' '))}`,
    args.length === 0
      ? null
      : `args=(${args.map((one) => quoted(coded(one.words, one.variadic))).join(' ')})`,
  ].filter((part) => part !== null);
  return `    ${quoted(path)}) ${set.join(' ')} ;;`;
}

function valueCases({ path, options }: CompletedCommand): readonly string[] {
  return options.flatMap(({ long, short, value, variadic }) => {
    if (value === null) return [];
    const names = [long, ...(short === null ? [] : [short])].map((name) => quoted(`${path} ${name}`));
    return [`    ${names.join('|')}) printf '%s' ${quoted(coded(value, variadic))} ;;`];
  });
}

/** A kind of words as one word: \`+\` for as many as there are, \`.\` for one; then what \`_dde_fill\` knows. */
function coded(words: Words, variadic: boolean): string {
  const mark = variadic ? '+' : '.';
  switch (words.kind) {
    case 'files':
      return `${mark}files`;
    case 'farm':
      return `${mark}@${words.name}`;
    case 'choices':
      // bash takes ":" for the end of a word.
      return `${mark}=${words.choices.filter((one) => !one.includes(':')).join(' ')}`;
    case 'unknown':
      return `${mark}unknown`;
  }
}

/** As one word of the shell, whatever is in it. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
