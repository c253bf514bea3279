import { z } from 'zod';
import { cookieName, pageHeader } from './guard.ts';
import type { Route } from './route.ts';
import { problemAnswer } from './schemas.ts';

/** The description of the API, OpenAPI 3.1, from the very schemas the routes check and answer by. */
export function openApi(routes: readonly Route[], version: string): Record<string, unknown> {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method]: operation(route) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'dynamic-dicom-endpoints',
      version,
      description: 'Where every study went, why, and whether it is proven there.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{ token: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', description: `A token. ${rolesInWords}` },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: cookieName,
          description: `A session, begun by POST /api/v1/session; it has the role of its token. What changes something also needs the header ${pageHeader}: 1.`,
        },
      },
      schemas: { Problem: jsonSchema(problemAnswer, 'output') },
    },
  };
}

const rolesInWords =
  'Its role is view (sees everything), operate (also does the daily work) or admin (also changes the farm itself, and who may use it); each may what those before it may.';

/** Answers that every route has, beside its own. */
function commonProblems({ role }: Route): Readonly<Record<number, string>> {
  return {
    400: 'The request is not valid',
    401: role === null ? 'The token is none' : 'A token or a session is needed',
    ...(role === null
      ? { 403: '`cross-site`: it came from a page of another address' }
      : {
          403: `\`not-allowed\`: the role is smaller than ${role}. \`cross-site\`: with a session, it did not come from a page of this service`,
        }),
    429: 'Too many wrong tokens came from this address',
  };
}

function operation(route: Route): Record<string, unknown> {
  const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
  const problems = { ...commonProblems(route), ...route.problems };
  return {
    summary: route.summary,
    description:
      route.role === null
        ? 'Needs no token.'
        : `Needs the role ${route.role}${route.role === 'admin' ? '' : ' or a greater one'}.`,
    ...(route.role === null ? { security: [] } : { 'x-role': route.role }),
    operationId: operationId(route),
    parameters: [...parameters(route.params, 'path'), ...parameters(route.query, 'query')],
    ...requestBody(route),
    responses: {
      200: {
        description: 'As asked',
        content:
          route.answerType === null
            ? { 'application/json': { schema: jsonSchema(route.answer, 'output') } }
            : { [route.answerType]: {} },
      },
      ...Object.fromEntries(
        Object.entries(problems).map(([status, description]) => [status, { description, content: problem }]),
      ),
    },
  };
}

function operationId({ method, path }: Route): string {
  const words = path.replace('/api/v1/', '').split(/[/:]+/);
  return method + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

function requestBody(route: Route): Record<string, unknown> {
  if (route.bodyType !== null) return { requestBody: { required: true, content: { [route.bodyType]: {} } } };
  if (route.body === null) return {};
  return {
    requestBody: {
      required: !route.bodyOptional,
      content: { 'application/json': { schema: jsonSchema(route.body, 'input') } },
    },
  };
}

const objectSchema = z.object({
  properties: z.record(z.string(), z.record(z.string(), z.unknown())),
  required: z.array(z.string()).optional(),
});

function parameters(schema: z.ZodType | null, where: 'path' | 'query'): readonly Record<string, unknown>[] {
  if (schema === null) return [];
  const { properties, required } = objectSchema.parse(jsonSchema(schema, 'input'));
  return Object.entries(properties).map(([name, { description, ...property }]) => ({
    name,
    in: where,
    required: where === 'path' || (required ?? []).includes(name),
    ...(description === undefined ? {} : { description }),
    schema: property,
  }));
}

function jsonSchema(schema: z.ZodType, io: 'input' | 'output'): Record<string, unknown> {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' });
  return rest;
}
