import { type Command, InvalidArgumentError } from 'commander';
import { createdTokenAnswer, type TokenAnswer, tokenAnswer, tokenName } from '../../admin/account-schemas.ts';
import { listOf } from '../../admin/schemas.ts';
import { type Role, roles } from '../../study.ts';
import { UserError } from '../../user-error.ts';
import { connectService, type ServiceOptions, withServiceOptions } from '../client.ts';
import { folded, localTime } from '../format.ts';
import type { CliContext } from '../program.ts';

const whatRolesMay: Readonly<Record<Role, string>> = {
  view: 'sees everything and changes nothing',
  operate: 'also does the daily work',
  admin: 'also changes the farm itself, and who may use it',
};

export function registerTokens(program: Command, context: CliContext): void {
  const tokens = program
    .command('tokens')
    .summary('who may use the service')
    .description('who may use the service: list the tokens, create one, revoke one')
    .addHelpText(
      'after',
      [
        '',
        'Roles:',
        ...roles.map((role) => `  ${role.padEnd(9)}${whatRolesMay[role]}`),
        '',
        'Examples:',
        '  dde tokens',
        '  dde tokens create wall --role view > wall.token',
        '  dde tokens create night-shift --role operate',
        '  dde tokens revoke night-shift',
      ].join('\n'),
    );
  registerList(tokens, context);
  registerCreate(tokens, context);
  registerRevoke(tokens, context);
}

function registerList(tokens: Command, context: CliContext): void {
  withServiceOptions(tokens.command('list', { isDefault: true }))
    .description('list those that were created, the revoked ones too (also without "list")')
    .addHelpText('after', '\nExamples:\n  dde tokens\n  dde tokens list --json')
    .action(async (options: ServiceOptions) => {
      const { items } = await connectService(context, options).get('/api/v1/tokens', listOf(tokenAnswer));
      const { out } = context;
      if (options.json === true) {
        out.json(items);
        return;
      }
      if (items.length === 0) {
        out.line('No token was created yet; the one of the state folder is admin.');
        return;
      }
      out.table(
        ['NAME', 'ROLE', 'CREATED', 'BY', 'LAST USED'],
        items.map((token) => [
          token.name,
          token.role,
          localTime(token.createdAt).slice(0, 10),
          token.createdBy,
          lastUse(token),
        ]),
      );
    });
}

function lastUse({ lastUsedAt, revokedAt }: TokenAnswer): string {
  if (revokedAt !== null) return `revoked ${localTime(revokedAt).slice(0, 16)}`;
  return lastUsedAt === null ? 'never' : localTime(lastUsedAt).slice(0, 16);
}

function registerCreate(tokens: Command, context: CliContext): void {
  withServiceOptions(tokens.command('create <name>'))
    .description('create one and print it; it is shown only this once')
    .requiredOption('--role <role>', `what it may: ${roles.join(', ')}`, roleOf)
    .addHelpText(
      'after',
      [
        '',
        'Standard output has the token alone, so that it can go into a file.',
        '',
        'Examples:',
        '  dde tokens create night-shift --role operate',
        '  dde tokens create prometheus --role view > prometheus.token',
      ].join('\n'),
    )
    .action(async (name: string, options: ServiceOptions & { readonly role: Role }) => {
      if (!tokenName.safeParse(name).success) {
        throw new UserError(
          `The name is "${name}", but must be 1 to 63 letters, digits and ". _ - @", beginning with a letter or digit.`,
        );
      }
      const created = await connectService(context, options).post('/api/v1/tokens', createdTokenAnswer, {
        name,
        role: options.role,
      });
      const { out } = context;
      if (options.json === true) {
        out.json(created);
        return;
      }
      out.note(
        folded(
          `The token of ${created.name}, which ${whatRolesMay[created.role]}. It is kept nowhere and not shown again:`,
          out.width,
        ),
      );
      out.line(created.token);
    });
}

function roleOf(text: string): Role {
  const role = roles.find((one) => one === text);
  if (role === undefined) throw new InvalidArgumentError(`It must be ${roles.join(', ')}.`);
  return role;
}

function registerRevoke(tokens: Command, context: CliContext): void {
  withServiceOptions(tokens.command('revoke <name>'))
    .description('end it for good, with the sessions of everybody who signed in with it; asks first')
    .option('--yes', 'do not ask')
    .addHelpText(
      'after',
      '\nExamples:\n  dde tokens revoke night-shift\n  dde tokens revoke night-shift --yes',
    )
    .action(async (name: string, options: ServiceOptions & { readonly yes?: boolean }) => {
      const service = connectService(context, options);
      const { out } = context;
      const { items } = await service.get('/api/v1/tokens', listOf(tokenAnswer));
      const token = items.find((one) => one.name.toLowerCase() === name.toLowerCase());
      if (token === undefined) {
        out.note(`There is no token named ${name}; "dde tokens" lists them.`);
        context.exitWith(1);
        return;
      }
      if (token.revokedAt === null && options.yes !== true) {
        out.note(`${token.name}, ${token.role}, last used: ${lastUse(token)}.`);
        const yes = options.json === true ? null : await context.confirm('Revoke it for good?');
        if (yes === null) throw new UserError('Nobody can be asked here: say --yes to revoke it.');
        if (!yes) {
          out.note('Nothing was revoked.');
          context.exitWith(1);
          return;
        }
      }
      const path = `/api/v1/tokens/${encodeURIComponent(token.name)}`;
      const revoked = await service.delete(path, tokenAnswer);
      if (options.json === true) out.json(revoked);
      else out.line(`${revoked.name} is revoked, and every session begun with it is over.`);
    });
}
