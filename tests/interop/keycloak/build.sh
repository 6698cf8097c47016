# Fetch Keycloak, and do at once what its first start would do.
version=$(cat source/VERSION)
mvn -q -B org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack \
    "-Dartifact=org.keycloak:keycloak-quarkus-dist:$version:zip" \
    "-DoutputDirectory=$PWD" "-DmarkersDirectory=$PWD/markers"
mv "keycloak-$version" server
server/bin/kc.sh build --db=dev-file --cache=local --health-enabled=false \
    --https-client-auth=request
