/** The columns of `docknet ps`. Pure. Source: docker/cli cli/command/formatter/container.go. */

import { humanDuration } from "../../daemon/human-duration.ts";
import { quoteGo } from "./flags.ts";
import { GoNil, type GoStruct } from "./go/value.ts";
import { ellipsis, goTimeOf, humanSize, shortId } from "./human.ts";
import { joinLabels, type Labels, rowOf } from "./listing.ts";
import { type PortSummary, renderPorts } from "./ports.ts";

/** What the list needs of GET /containers/json. */
export interface ContainerSummary {
  readonly Id: string;
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since 1970. */
  readonly Created: number;
  readonly Ports: readonly PortSummary[];
  readonly Labels: Labels;
  readonly State: string;
  readonly Status: string;
  readonly SizeRw?: number;
  readonly SizeRootFs?: number;
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, unknown>> | null };
  readonly Mounts?: readonly { readonly Name?: string; readonly Source: string; readonly Driver?: string }[] | null;
}

/** A row as templates see it; ages are relative to `now`. */
export function containerRow(container: ContainerSummary, truncates: boolean, now: Date): GoStruct {
  const mounts = container.Mounts ?? [];
  return rowOf(
    "*formatter.ContainerContext",
    {
      ID: () => (truncates ? shortId(container.Id) : container.Id),
      Names: () => namesOf(container.Names, truncates),
      Image: () => imageOf(container, truncates),
      Command: () => quoteGo(truncates ? ellipsis(container.Command, 20) : container.Command),
      CreatedAt: () => goTimeOf(container.Created),
      RunningFor: () => `${humanDuration(now.getTime() - container.Created * 1000)} ago`,
      Ports: () => renderPorts(container.Ports),
      State: () => container.State,
      Status: () => container.Status,
      Size: () => sizeOf(container),
      Labels: () => joinLabels(container.Labels),
      Mounts: () =>
        mounts
          .map((m) => m.Name || m.Source)
          .map((name) => (truncates ? ellipsis(name, 15) : name))
          .join(","),
      LocalVolumes: () => String(mounts.filter((m) => m.Driver === "local").length),
      Networks: () => Object.keys(container.NetworkSettings?.Networks ?? {}).join(","),
      Platform: () => new GoNil("*formatter.Platform"),
    },
    container.Labels,
  );
}

/** The name of its own; with --no-trunc also those that links give it (`/other/alias`). */
function namesOf(names: readonly string[], truncates: boolean): string {
  const plain = names.map((name) => name.replace(/^\//, ""));
  return truncates ? (plain.find((name) => !name.includes("/")) ?? "") : plain.join(",");
}

function imageOf({ Image: image, ImageID: id }: ContainerSummary, truncates: boolean): string {
  if (image === "") return "<no image>";
  if (!truncates) return image;
  if (shortId(id) === shortId(image)) return shortId(id);
  return image.replace(/@sha256:[0-9a-f]{64}$/, "").replace(/^docker\.io\/(library\/)?/, "");
}

function sizeOf({ SizeRw = 0, SizeRootFs = 0 }: ContainerSummary): string {
  const own = humanSize(SizeRw, 3);
  return SizeRootFs > 0 ? `${own} (virtual ${humanSize(SizeRootFs, 3)})` : own;
}
