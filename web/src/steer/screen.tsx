import { BackendPage } from './backend.tsx';
import { SteerPage } from './overview.tsx';

export function SteerScreen({ parts }: { parts: readonly string[] }) {
  const [name] = parts;
  return name === undefined ? <SteerPage /> : <BackendPage key={name} name={name} />;
}
