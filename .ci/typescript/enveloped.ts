// What a program in TypeScript does with the client that @hey-api/openapi-ts makes of the enveloped shape.
import { client } from "./made/client.gen";
import { createPatient, findPatients, getPatient } from "./made/sdk.gen";
import type { Patient } from "./made/types.gen";

declare const process: { env: Record<string, string | undefined> };
client.setConfig({ baseUrl: process.env.ALMONER_URL, auth: process.env.ALMONER_TOKEN });

async function main(): Promise<void> {
  const created = await createPatient({
    body: { phase: "intake", timezone: "US/Pacific", first_name: "Grace", last_name: "Hopper", birthday: "1906-12-09" },
    throwOnError: true,
  });
  const patient: Patient = created.data.data;
  const found = await findPatients({ query: { phase: "intake", "page[size]": 10 }, throwOnError: true });
  const ids: string[] = found.data.data.map((row) => row.id);
  const read = await getPatient({ path: { id: patient.id }, throwOnError: true });
  // @ts-expect-error: there is no such field
  const unknown: unknown = read.data.data.nickname;
  const refused = await findPatients({ query: { coach_id: "nobody" } });
  const details: string[] = refused.error?.errors.map((problem) => problem.detail) ?? [];
  if (unknown !== undefined || ids.join() !== patient.id || read.data.data.last_name !== "Hopper" || details.length !== 1) {
    throw new Error(`read otherwise than written: ${ids}, ${read.data.data.last_name}, ${details}`);
  }
}

void main();
