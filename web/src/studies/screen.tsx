import { StudiesList } from './list.tsx';
import { StudyPage } from './study.tsx';

export function StudiesScreen({ parts }: { parts: readonly string[] }) {
  const [uid] = parts;
  return uid === undefined ? <StudiesList /> : <StudyPage key={uid} uid={uid} />;
}
