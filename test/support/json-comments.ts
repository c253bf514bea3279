/** Orthanc's configuration files may carry comments, JSON.parse takes none. Strings stay as they are. */
export function stripJsonComments(text: string): string {
  return text.replaceAll(
    /("(?:[^"\\]|\\.)*")|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_match, string?: string) => string ?? '',
  );
}
