// Printed on mass.apigo.ai's page on /v1/videos; as it stands there.
import { writeFileSync } from "node:fs";

const headers = {
  Authorization: `Bearer ${process.env.TIDEMIND_API_KEY}`,
  "Content-Type": "application/json"
};

const createResponse = await fetch("https://mass.apigo.ai/v1/videos", {
  method: "POST",
  headers,
  body: JSON.stringify({
    model: "sora-2",
    prompt: "一段 8 秒的 Api.Go 产品演示动画",
    seconds: 8,
    size: "1280x720"
  })
});

const { id: videoId } = await createResponse.json();

while (true) {
  const statusResponse = await fetch(
    `https://mass.apigo.ai/v1/videos/${videoId}`,
    { headers: { Authorization: headers.Authorization } }
  );
  const statusData = await statusResponse.json();

  if (statusData.status === "completed") {
    const contentResponse = await fetch(
      `https://mass.apigo.ai/v1/videos/${videoId}/content`,
      { headers: { Authorization: headers.Authorization } }
    );
    const buffer = Buffer.from(await contentResponse.arrayBuffer());
    writeFileSync("tidemind-demo.mp4", buffer);
    console.log("saved tidemind-demo.mp4");
    break;
  }

  if (statusData.status === "failed") {
    throw new Error(JSON.stringify(statusData));
  }

  await new Promise((resolve) => setTimeout(resolve, 10000));
}
