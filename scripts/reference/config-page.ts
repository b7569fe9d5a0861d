import { type ConfigOption, listOptions } from '../../src/config/options.ts';
import { overrideVariables } from '../../src/config/overrides.ts';

/** The page `docs/reference/config.md`, rendered from the schema that also checks the file. */
export function renderConfigPage(): string {
  const options = listOptions();
  const isTopLevel = ({ path, isSection }: ConfigOption) => path.length === 1 && !isSection;
  const sections = options.filter(({ path, isSection }) => isSection && path.join('.') !== 'streams');
  return `# Configuration

Every key of \`arrowport.yaml\`. The guide [Configuration](../guides/configuration.md) shows how the file is used; the JSON Schema
for editors is \`config/arrowport.schema.json\`.

Sizes are whole numbers of bytes unless a key says otherwise; times carry their unit in the key's name. Unknown keys, keys
that are there twice and values of another type are errors with file, line and column. *Live* keys take effect within a
second of the file's change; *at restart* ones are named by the reload and wait.

## Top level

${renderTable(options.filter(isTopLevel))}
${sections.map((section) => renderSection(section, options)).join('\n')}
## Environment variables

They stand over the file, and \`--db\`, \`--host\` and \`--port\` over them. An empty variable counts as unset.

| variable | meaning |
|---|---|
${Object.entries(overrideVariables)
  .map(([name, meaning]) => `| \`${name}\` | ${meaning} |`)
  .join('\n')}
`;
}

function renderSection(section: ConfigOption, options: readonly ConfigOption[]): string {
  const own = options.filter(
    ({ path, isSection }) =>
      !isSection &&
      path.length === section.path.length + 1 &&
      section.path.every((key, index) => path[index] === key),
  );
  const title = section.path.join('.').replace('streams.*', 'streams.<name>');
  return `## \`${title}\`\n\n${section.description}\n\n${renderTable(own)}`;
}

function renderTable(options: readonly ConfigOption[]): string {
  const rows = options.map(({ path, description, expected, defaultValue, restart }) =>
    [
      `\`${path.at(-1)}\``,
      description,
      expected,
      `\`${JSON.stringify(defaultValue)}\``,
      restart ? 'at restart' : 'live',
    ]
      .map((cell) => cell.replaceAll('|', '\\|'))
      .join(' | '),
  );
  return `| key | meaning | value | default | change |\n|---|---|---|---|---|\n${rows.map((row) => `| ${row} |\n`).join('')}`;
}
