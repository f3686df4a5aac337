# Printed on mass.apigo.ai's page on /v1/videos; as it stands there.
VIDEO_ID=$(curl -s https://mass.apigo.ai/v1/videos \
  -H "Authorization: Bearer $TIDEMIND_API_KEY" \
  -H "Content-Type: application/json" \
  -d '{
    "model": "sora-2",
    "prompt": "一段 8 秒的 Api.Go 产品演示动画",
    "seconds": 8,
    "size": "1280x720"
  }' | jq -r '.id')

while true; do
  STATUS=$(curl -s \
    -H "Authorization: Bearer $TIDEMIND_API_KEY" \
    "https://mass.apigo.ai/v1/videos/$VIDEO_ID")

  STATE=$(echo "$STATUS" | jq -r '.status')
  if [ "$STATE" = "completed" ]; then
    curl -L \
      -H "Authorization: Bearer $TIDEMIND_API_KEY" \
      "https://mass.apigo.ai/v1/videos/$VIDEO_ID/content" \
      -o tidemind-demo.mp4
    break
  fi

  if [ "$STATE" = "failed" ]; then
    echo "$STATUS"
    break
  fi

  sleep 10
done
