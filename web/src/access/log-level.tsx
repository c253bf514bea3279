import { api, get } from '../lib/api.ts';
import { useAction, useLoad } from '../lib/load.ts';
import { Choices } from '../ui/field.tsx';
import { Card, Loading, Trouble } from '../ui/parts.tsx';

const levels = ['error', 'warn', 'info', 'debug'] as const;
type Level = (typeof levels)[number];

export function LogLevel() {
  const { value, problem, loading, again } = useLoad(
    (signal) => get<{ level: Level }>('/log-level', {}, signal),
    'log-level',
  );
  const action = useAction();
  const set = (level: Level): void =>
    action.run(async () => {
      await api('PUT', '/log-level', { level });
      again();
    });
  return (
    <Card title="Log" note="How much the service writes, until it is started anew">
      <Trouble problem={problem ?? action.problem} />
      {loading && <Loading what="the log level" />}
      {value !== null && (
        <Choices<Level>
          label="Log level"
          value={value.level}
          onValue={set}
          options={levels.map((level) => [level, level] as const)}
        />
      )}
    </Card>
  );
}
